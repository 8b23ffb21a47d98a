// SPDX-License-Identifier: GPL-2.0
#include "addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "token.h"

#define HOST_MAX 254

void endpoint_unmap(struct endpoint *ep)
{
	if (ep->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ep->v6))
		return;
	ep->family = AF_INET;
	memcpy(&ep->v4, &ep->v6.s6_addr[12], sizeof(ep->v4));
	memset(&ep->v6, 0, sizeof(ep->v6));
}

static const char *parse_scope(int ifd, const char *text, uint32_t *scope)
{
	struct ifreq ifr = {};
	uint64_t index;

	if (!*text || strlen(text) >= sizeof(ifr.ifr_name))
		return "not the name of an interface";
	memcpy(ifr.ifr_name, text, strlen(text));
	if (!ioctl(ifd, SIOCGIFINDEX, &ifr)) {
		*scope = ifr.ifr_ifindex;
		return NULL;
	}
	if (token_number(text, &index) || !index || index > INT32_MAX)
		return "no such interface";
	*scope = index;
	return NULL;
}

/* @host is cut at its '%'. */
static const char *parse_ipv6(int ifd, char *host, struct endpoint *ep)
{
	char *scope = strchr(host, '%');

	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, host, &ep->v6) != 1)
		return "not an IPv6 address";
	ep->family = AF_INET6;
	endpoint_unmap(ep);
	if (!scope)
		return NULL;
	if (!IN6_IS_ADDR_LINKLOCAL(&ep->v6))
		return "only a link-local address has a scope";
	return parse_scope(ifd, scope, &ep->scope);
}

/*
 * The resolver would take 10.1, 0x7f000001 and 10.0.0.256 for addresses, or
 * ask a name server for them: what ends in a number is no host name.
 */
static bool ends_in_number(const char *host)
{
	const char *label = strrchr(host, '.');

	label = label ? label + 1 : host;
	if (label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
		return true;
	return strspn(label, TOKEN_DIGITS) == strlen(label);
}

static const char *resolve(const char *host, struct endpoint *ep)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int err;

	if (strspn(host, TOKEN_NAME_CHARS) != strlen(host))
		return "neither an address nor a host name";
	err = getaddrinfo(host, NULL, &hints, &found);
	if (err)
		return gai_strerror(err);
	ep->family = found->ai_family;
	if (ep->family == AF_INET)
		ep->v4 = ((struct sockaddr_in *)found->ai_addr)->sin_addr;
	else
		ep->v6 = ((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
	freeaddrinfo(found);
	endpoint_unmap(ep);
	return NULL;
}

static const char *parse_host(const char *host, struct endpoint *ep)
{
	if (!*host)
		return "address is empty";
	if (inet_pton(AF_INET, host, &ep->v4) == 1) {
		ep->family = AF_INET;
		return NULL;
	}
	if (ends_in_number(host))
		return "not an IPv4 address";
	return resolve(host, ep);
}

/* Cut "[HOST]:PORT" or "HOST:PORT" in two, in place. */
static const char *split(char *text, char **host, char **port)
{
	bool bracket = *text == '[';

	*host = text + bracket;
	*port = strchr(text, bracket ? ']' : ':');
	if (bracket && !*port)
		return "the bracket is not closed";
	if (bracket)
		*(*port)++ = '\0';
	if (!*port || **port != ':')
		return "a port is missing, write ADDR:PORT";
	*(*port)++ = '\0';
	if (strchr(*port, ':'))
		return "an IPv6 address needs brackets: [ADDR]:PORT";
	return NULL;
}

static const char *check_scope(const struct endpoint *ep)
{
	if (ep->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&ep->v6) &&
	    !ep->scope)
		return "a link-local address needs a scope: [ADDR%DEV]:PORT";
	return NULL;
}

const char *endpoint_parse(int ifd, const char *text, struct endpoint *ep)
{
	char copy[HOST_MAX + sizeof("[]:65535")], *host, *port;
	const char *why;

	memset(ep, 0, sizeof(*ep));
	if (strlen(text) >= sizeof(copy))
		return "address is too long";
	strcpy(copy, text);
	why = split(copy, &host, &port);
	if (!why)
		why = token_port(port, &ep->port);
	if (why)
		return why;
	if (!strcmp(copy, "*"))
		return NULL;
	why = *copy == '[' ? parse_ipv6(ifd, host, ep) : parse_host(host, ep);
	return why ? why : check_scope(ep);
}

static const char *parse_len(const char *text, int family, uint8_t *len)
{
	uint8_t max = family == AF_INET ? 32 : 128;
	uint64_t value = max;

	if (text && (token_number(text, &value) || value > max))
		return max == 32 ? "prefix length must be 0 to 32"
				 : "prefix length must be 0 to 128";
	*len = value;
	return NULL;
}

const char *endpoint_parse_prefix(int ifd, const char *text,
				  struct endpoint *ep, uint8_t *len)
{
	char copy[HOST_MAX + sizeof("/128")], *slash;
	const char *why;

	memset(ep, 0, sizeof(*ep));
	if (strlen(text) >= sizeof(copy))
		return "address is too long";
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	why = strchr(copy, ':') ? parse_ipv6(ifd, copy, ep)
				: parse_host(copy, ep);
	return why ? why : parse_len(slash, ep->family, len);
}

/* Names of interfaces may hold nearly anything; a number serves as well. */
static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (!isgraph((unsigned char)*name))
			return false;
	return true;
}

static void format_scope(int ifd, uint32_t scope, char *buf, size_t size)
{
	struct ifreq ifr = { .ifr_ifindex = scope };

	if (!scope)
		*buf = '\0';
	else if (!ioctl(ifd, SIOCGIFNAME, &ifr) && is_plain(ifr.ifr_name))
		snprintf(buf, size, "%%%.*s", IFNAMSIZ, ifr.ifr_name);
	else
		snprintf(buf, size, "%%%u", scope);
}

void endpoint_format(int ifd, const struct endpoint *ep, char *buf)
{
	char addr[INET6_ADDRSTRLEN] = "*", scope[IFNAMSIZ + 1] = "";
	const char *fmt = "%s%s:%u";

	if (ep->family == AF_INET)
		inet_ntop(AF_INET, &ep->v4, addr, sizeof(addr));
	if (ep->family == AF_INET6) {
		inet_ntop(AF_INET6, &ep->v6, addr, sizeof(addr));
		format_scope(ifd, ep->scope, scope, sizeof(scope));
		fmt = "[%s%s]:%u";
	}
	snprintf(buf, ENDPOINT_TEXT_MAX, fmt, addr, scope, ep->port);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && a->port == b->port &&
	       a->scope == b->scope && a->v4.s_addr == b->v4.s_addr &&
	       IN6_ARE_ADDR_EQUAL(&a->v6, &b->v6);
}
