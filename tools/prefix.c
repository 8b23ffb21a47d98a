// SPDX-License-Identifier: GPL-2.0
/*
 * Lists of networks. The kernel has all of a list in one attribute, IPv4 as
 * mapped IPv6.
 */
#include "prefix.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "alloc.h"
#include "ctx.h"
#include "request.h"
#include "token.h"

#define MAPPED_BITS 96

/* A network as the attribute has it. */
struct prefix {
	uint8_t addr[16];
	uint8_t bits;
};

_Static_assert(sizeof(struct prefix) == KPROXY_PREFIX_SIZE, "no padding");

static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Clear the bits behind the length, so that equal networks compare equal. */
static void cut(struct prefix *prefix)
{
	unsigned int bit;

	for (bit = prefix->bits; bit < 128; bit++)
		prefix->addr[bit / 8] &= ~(0x80 >> (bit % 8));
}

/* A name could mean another host tomorrow. */
static bool is_literal(const char *text)
{
	return strchr(text, ':') ||
	       strspn(text, TOKEN_DIGITS "./") == strlen(text);
}

static const char *parse_prefix(const char *text, struct prefix *prefix)
{
	struct endpoint ep;
	const char *why;

	if (!*text)
		return "empty network in the list";
	if (strchr(text, '%'))
		return "a network has no scope";
	if (!is_literal(text))
		return "not a network, write ADDR/LEN";
	why = endpoint_parse_prefix(-1, text, &ep, &prefix->bits);
	if (why)
		return why;
	if (ep.family == AF_INET) {
		memcpy(prefix->addr, mapped, sizeof(mapped));
		memcpy(prefix->addr + sizeof(mapped), &ep.v4, sizeof(ep.v4));
		prefix->bits += MAPPED_BITS;
	} else {
		memcpy(prefix->addr, &ep.v6, sizeof(ep.v6));
	}
	cut(prefix);
	return NULL;
}

static const char *add_prefix(struct prefix *list, size_t n, const char *text)
{
	const char *why;
	size_t i;

	if (n == KPROXY_PREFIXES_MAX)
		return "too many networks";
	why = parse_prefix(text, &list[n]);
	for (i = 0; !why && i < n; i++)
		if (!memcmp(&list[i], &list[n], sizeof(*list)))
			why = "is given twice";
	return why;
}

static int put_list(const struct ctx *ctx, const struct option_spec *option,
		    const char *text, struct request *req)
{
	struct prefix list[KPROXY_PREFIXES_MAX];
	char *copy = xstrdup(text), *rest = copy, *word;
	int status = STATUS_DONE;
	const char *why;
	size_t n;

	for (n = 0; !status && (word = strsep(&rest, ",")); n++) {
		why = add_prefix(list, n, word);
		if (why)
			status = ctx_refuse(ctx, "%s %s: %s", option->name,
					    *word ? word : "\"\"", why);
	}
	if (!status)
		request_binary(req, option->attr, option->name, text, list,
			       n * sizeof(*list));
	free(copy);
	return status;
}

static int put_prefixes(const struct ctx *ctx, const struct option_spec *option,
			const char *text, struct request *req)
{
	if (strcmp(text, *option->words))
		return put_list(ctx, option, text, req);
	request_binary(req, option->attr, option->name, text, NULL, 0);
	return STATUS_DONE;
}

static json_t *show_prefix(const struct prefix *prefix)
{
	bool ipv4 = prefix->bits >= MAPPED_BITS &&
		    !memcmp(prefix->addr, mapped, sizeof(mapped));
	char text[INET6_ADDRSTRLEN];

	if (ipv4)
		inet_ntop(AF_INET, prefix->addr + sizeof(mapped), text,
			  sizeof(text));
	else
		inet_ntop(AF_INET6, prefix->addr, text, sizeof(text));
	return json_sprintf("%s/%d", text,
			    prefix->bits - (ipv4 ? MAPPED_BITS : 0));
}

static json_t *get_prefixes(const struct option_spec *option,
			    struct nlattr *attr)
{
	size_t i, n = nla_len(attr) / sizeof(struct prefix);
	const struct prefix *list = nla_data(attr);
	json_t *array;

	(void)option;
	if (!n)
		return NULL;
	array = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(array, show_prefix(&list[i]));
	return array;
}

static void format_prefixes(const struct option_spec *option, uint64_t value,
			    char *buf)
{
	(void)value;
	strcpy(buf, *option->words);
}

const struct option_type option_prefixes = {
	.put = put_prefixes,
	.get = get_prefixes,
	.format = format_prefixes,
};
