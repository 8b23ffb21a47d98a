/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ADDR_H
#define KPROXY_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enough for any endpoint as text. */
#define ENDPOINT_TEXT_MAX 80

/**
 * struct endpoint - a TCP address
 * @family: AF_INET, AF_INET6, or AF_UNSPEC for any address of both
 * @v4: address when @family is AF_INET
 * @v6: address when @family is AF_INET6, never an IPv4-mapped one
 * @port: in host byte order, 0 when there is none
 * @scope: index of the interface of a link-local address, or 0
 */
struct endpoint {
	int family;
	struct in_addr v4;
	struct in6_addr v6;
	uint16_t port;
	uint32_t scope;
};

/**
 * endpoint_parse() - read ADDR:PORT, [ADDR]:PORT, *:PORT or HOST:PORT
 * @ifd: socket in the namespace whose interfaces a scope names
 * @text: the whole word
 * @ep: result
 *
 * A host name is looked up in the namespace of the caller, and the first
 * address is taken.
 *
 * Return: NULL, or the reason why it is refused
 */
const char *endpoint_parse(int ifd, const char *text, struct endpoint *ep);

/**
 * endpoint_parse_prefix() - read ADDR or ADDR/LEN
 * @ifd: socket in the namespace whose interfaces a scope names
 * @text: the whole word
 * @ep: result, its port is 0
 * @len: prefix length, that of a whole address when none is given
 *
 * Return: NULL, or the reason why it is refused
 */
const char *endpoint_parse_prefix(int ifd, const char *text,
				  struct endpoint *ep, uint8_t *len);

/* Write @ep to @buf of ENDPOINT_TEXT_MAX bytes as endpoint_parse() reads it. */
void endpoint_format(int ifd, const struct endpoint *ep, char *buf);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Make an IPv4-mapped IPv6 address the IPv4 address that it stands for. */
void endpoint_unmap(struct endpoint *ep);

#endif
