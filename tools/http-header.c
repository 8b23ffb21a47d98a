// SPDX-License-Identifier: GPL-2.0
/* Headers of requests, which anyone can have written. */
#include "http-header.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The longest name of the DNS, its final dot and a terminator. */
#define HOST_SIZE 256

/* A piece of text, without the blanks around it. */
struct piece {
	const char *text;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct piece trim(const char *text, size_t len)
{
	while (len && is_blank(*text)) {
		text++;
		len--;
	}
	while (len && is_blank(text[len - 1]))
		len--;
	return (struct piece){ text, len };
}

/*
 * Cut the part before the first @separator off @rest; a separator within quotes
 * does not count.
 * Return: false when nothing is left
 */
static bool cut(struct piece *rest, char separator, struct piece *part)
{
	bool quoted = false;
	size_t i;

	if (!rest->text)
		return false;
	for (i = 0; i < rest->len; i++) {
		if (rest->text[i] == '"')
			quoted = !quoted;
		if (rest->text[i] == separator && !quoted)
			break;
	}
	*part = trim(rest->text, i);
	if (i < rest->len)
		*rest = (struct piece){ rest->text + i + 1, rest->len - i - 1 };
	else
		rest->text = NULL;
	return true;
}

static bool is(struct piece piece, const char *word)
{
	return piece.len == strlen(word) &&
	       !strncasecmp(piece.text, word, piece.len);
}

/* A quality in thousandths, "0.5" as 500; 0 for what is none. */
static int parse_quality(struct piece value)
{
	int weight = 100, quality;
	size_t i;

	if (!value.len || (*value.text != '0' && *value.text != '1'))
		return 0;
	quality = *value.text == '1' ? 1000 : 0;
	if (value.len > 1 && value.text[1] != '.')
		return 0;
	for (i = 2; i < value.len && i < 5; i++, weight /= 10) {
		if (value.text[i] < '0' || value.text[i] > '9')
			return 0;
		quality += (value.text[i] - '0') * weight;
	}
	return quality < 1000 ? quality : 1000;
}

/**
 * struct range - an element of Accept
 * @quality: in thousandths
 * @version: what it says about the version, or nothing
 */
struct range {
	struct piece type;
	struct piece version;
	int quality;
};

static struct range parse_range(struct piece text)
{
	struct range range = { .quality = 1000 };
	struct piece parameter, name;

	cut(&text, ';', &range.type);
	while (cut(&text, ';', &parameter)) {
		if (!cut(&parameter, '=', &name) || !parameter.text)
			continue;
		parameter = trim(parameter.text, parameter.len);
		if (is(name, "q"))
			range.quality = parse_quality(parameter);
		else if (is(name, "version"))
			range.version = parameter;
	}
	return range;
}

static bool is_openmetrics(const struct range *range)
{
	return is(range->type, "application/openmetrics-text") &&
	       (!range->version.text || is(range->version, "1.0.0") ||
		is(range->version, "\"1.0.0\""));
}

static bool is_text(const struct range *range)
{
	if (is(range->type, "*/*") || is(range->type, "text/*"))
		return true;
	return is(range->type, "text/plain") &&
	       (!range->version.text || is(range->version, "0.0.4") ||
		is(range->version, "\"0.0.4\""));
}

bool http_prefers_openmetrics(const char *accept)
{
	struct piece rest = { accept, accept ? strlen(accept) : 0 }, part;
	int best = 0;
	bool open = false;
	struct range range;

	while (cut(&rest, ',', &part)) {
		range = parse_range(part);
		if (range.quality <= best)
			continue;
		if (!is_openmetrics(&range) && !is_text(&range))
			continue;
		best = range.quality;
		open = is_openmetrics(&range);
	}
	return open;
}

static bool is_number(const char *text)
{
	return strspn(text, "0123456789") == strlen(text);
}

/* Cut a port off the host, and the brackets of an IPv6 address. */
static bool cut_port(char *host, char **address)
{
	bool bracket = *host == '[';
	char *end = strchr(host, bracket ? ']' : ':');

	*address = host + bracket;
	if (!end)
		return !bracket;
	*end++ = '\0';
	if (!bracket)
		return is_number(end);
	return !*end || (*end == ':' && is_number(end + 1));
}

static bool is_localhost(const char *name)
{
	static const char word[] = "localhost";
	size_t len = strlen(name), tail = strlen(word);

	if (len < tail || strcasecmp(name + len - tail, word))
		return false;
	return len == tail || name[len - tail - 1] == '.';
}

static bool is_address(const char *text, bool six)
{
	struct in6_addr address;

	return inet_pton(six ? AF_INET6 : AF_INET, text, &address) == 1;
}

bool http_host_is_ours(const char *host, const char *const *names, size_t n)
{
	char copy[HOST_SIZE + sizeof(":65535")], *name;
	size_t len = strlen(host), i;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, host, len + 1);
	if (!cut_port(copy, &name))
		return false;
	if (*copy == '[')
		return is_address(name, true);
	if (is_address(name, false))
		return true;
	len = strlen(name);
	if (len && name[len - 1] == '.')
		name[len - 1] = '\0';
	if (is_localhost(name))
		return true;
	for (i = 0; i < n; i++)
		if (*names[i] && !strcasecmp(name, names[i]))
			return true;
	return false;
}
