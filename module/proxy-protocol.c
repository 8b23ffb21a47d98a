// SPDX-License-Identifier: GPL-2.0
/*
 * The header of the PROXY protocol, versions 1 and 2, by which a proxy passes
 * on its client's address. This file only parses and builds it in memory;
 * greeting.c reads it from a socket. It is also compiled for user space, for
 * fuzzing.
 *
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
#include <linux/errno.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <net/ipv6.h>

#include "proxy-protocol.h"

#define V1_MAX 107
#define V1_WORD "PROXY "

#define V2_MAGIC "\r\n\r\n\0\r\nQUIT\n"
#define V2_MAGIC_LEN 12
#define V2_FIXED 16
#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_FAMILY_MAX 3
#define V2_PROTOCOL_MAX 2

/* Bytes after the fixed part, by address family. */
#define V2_ADDRS4 (2 * (4 + 2))
#define V2_ADDRS6 (2 * (16 + 2))

static void set_v4(union kproxy_addr *addr, const u8 *ip, u16 port)
{
	memset(addr, 0, sizeof(*addr));
	addr->v4.sin_family = AF_INET;
	addr->v4.sin_port = htons(port);
	memcpy(&addr->v4.sin_addr, ip, sizeof(addr->v4.sin_addr));
}

static void set_v6(union kproxy_addr *addr, const u8 *ip, u16 port)
{
	memset(addr, 0, sizeof(*addr));
	addr->v6.sin6_family = AF_INET6;
	addr->v6.sin6_port = htons(port);
	memcpy(&addr->v6.sin6_addr, ip, sizeof(addr->v6.sin6_addr));
}

/* Two IPv6 addresses. If both are mapped, store IPv4, as everywhere else. */
static void set_both_v6(struct kproxy_proxy_header *header,
			const u8 *source, u16 sport,
			const u8 *destination, u16 dport)
{
	set_v6(&header->source, source, sport);
	set_v6(&header->destination, destination, dport);
	if (!ipv6_addr_v4mapped(&header->source.v6.sin6_addr) ||
	    !ipv6_addr_v4mapped(&header->destination.v6.sin6_addr))
		return;
	set_v4(&header->source, source + 12, sport);
	set_v4(&header->destination, destination + 12, dport);
}

/* The rest of a line of version 1. */
struct line {
	const char *at;
	unsigned int len;
};

/* Take the next word; a single blank or the end of the line ends it. */
static struct line next_word(struct line *line)
{
	struct line word = { .at = line->at };

	while (word.len < line->len && word.at[word.len] != ' ')
		word.len++;
	line->at += word.len;
	line->len -= word.len;
	if (line->len) {
		line->at++;
		line->len--;
	}
	return word;
}

static bool word_is(const struct line *word, const char *text)
{
	return word->len == strlen(text) && !memcmp(word->at, text, word->len);
}

static bool word_ip(const struct line *word, bool v6, u8 *ip)
{
	const char *end;

	if (!word->len || word->len >= INET6_ADDRSTRLEN)
		return false;
	if (v6 ? !in6_pton(word->at, word->len, ip, ' ', &end) :
		 !in4_pton(word->at, word->len, ip, ' ', &end))
		return false;
	/* The parsers also stop at a zero byte and, for IPv4, at a colon. */
	return end == word->at + word->len;
}

static bool word_port(const struct line *word, u16 *port)
{
	unsigned int i, value = 0;

	if (!word->len || word->len > 5)
		return false;
	for (i = 0; i < word->len; i++) {
		if (word->at[i] < '0' || word->at[i] > '9')
			return false;
		value = value * 10 + word->at[i] - '0';
	}
	*port = value;
	return value <= U16_MAX && (word->at[0] != '0' || word->len == 1);
}

/* "ADDR ADDR PORT PORT" */
static int parse_v1_addrs(struct line *line, bool v6,
			  struct kproxy_proxy_header *header)
{
	struct line source = next_word(line), destination = next_word(line);
	struct line sport = next_word(line), dport = next_word(line);
	u8 source_ip[16], destination_ip[16];
	u16 from, to;

	if (!word_ip(&source, v6, source_ip) ||
	    !word_ip(&destination, v6, destination_ip) ||
	    !word_port(&sport, &from) || !word_port(&dport, &to) ||
	    dport.at + dport.len != line->at || line->len)
		return -EINVAL;
	if (v6) {
		set_both_v6(header, source_ip, from, destination_ip, to);
	} else {
		set_v4(&header->source, source_ip, from);
		set_v4(&header->destination, destination_ip, to);
	}
	header->named = true;
	return 0;
}

/* Parse a line without "PROXY " and the line end. */
static int parse_v1_line(struct line line, struct kproxy_proxy_header *header)
{
	struct line word = next_word(&line);

	header->named = false;
	/* The rest of the line is ignored. */
	if (word_is(&word, "UNKNOWN"))
		return 0;
	if (word_is(&word, "TCP4"))
		return parse_v1_addrs(&line, false, header);
	if (word_is(&word, "TCP6"))
		return parse_v1_addrs(&line, true, header);
	return -EINVAL;
}

static int parse_v1(const u8 *data, unsigned int len,
		    struct kproxy_proxy_header *header)
{
	const unsigned int word = strlen(V1_WORD);
	struct line line = { .at = (const char *)data + word };
	const u8 *end;

	len = min_t(unsigned int, len, V1_MAX);
	end = memchr(data, '\r', len);
	if (!end || end + 1 == data + len)
		return len < V1_MAX ? -EAGAIN : -EINVAL;
	if (end[1] != '\n')
		return -EINVAL;
	line.len = end - data - word;
	header->len = end + 2 - data;
	return parse_v1_line(line, header);
}

static void parse_v2_addrs(const u8 *data, bool v6,
			   struct kproxy_proxy_header *header)
{
	if (v6) {
		set_both_v6(header, data, get_unaligned_be16(data + 32),
			    data + 16, get_unaligned_be16(data + 34));
	} else {
		set_v4(&header->source, data, get_unaligned_be16(data + 8));
		set_v4(&header->destination, data + 4,
		       get_unaligned_be16(data + 10));
	}
}

static int parse_v2(const u8 *data, unsigned int len,
		    struct kproxy_proxy_header *header)
{
	unsigned int behind, need;
	u8 command, family;

	if (len < V2_FIXED)
		return -EAGAIN;
	command = data[12];
	family = data[13];
	behind = get_unaligned_be16(data + 14);
	if ((command != V2_LOCAL && command != V2_PROXY) ||
	    family >> 4 > V2_FAMILY_MAX || (family & 0xf) > V2_PROTOCOL_MAX)
		return -EINVAL;
	header->len = V2_FIXED + behind;
	/* For LOCAL and for non-TCP, the connection's own addresses count. */
	header->named = command == V2_PROXY &&
			(family == V2_TCP4 || family == V2_TCP6);
	if (!header->named)
		return 0;
	need = family == V2_TCP6 ? V2_ADDRS6 : V2_ADDRS4;
	if (behind < need)
		return -EINVAL;
	if (len < V2_FIXED + need)
		return -EAGAIN;
	parse_v2_addrs(data + V2_FIXED, family == V2_TCP6, header);
	return 0;
}

/**
 * kproxy_proxy_parse() - parse a header
 * @data: the first bytes that a client sent
 * @len: how many; KPROXY_PROXY_LOOK are enough
 * @header: the result
 *
 * The extensions of version 2 that follow the addresses need not have come.
 *
 * Context: any.
 * Return: 0; -EAGAIN if more bytes are needed; -EINVAL if this is no header.
 */
int kproxy_proxy_parse(const u8 *data, unsigned int len,
		       struct kproxy_proxy_header *header)
{
	const unsigned int word = strlen(V1_WORD);

	if (!len)
		return -EAGAIN;
	if (!memcmp(data, V1_WORD, min(len, word)))
		return len > word ? parse_v1(data, len, header) : -EAGAIN;
	if (!memcmp(data, V2_MAGIC, min_t(unsigned int, len, V2_MAGIC_LEN)))
		return parse_v2(data, len, header);
	return -EINVAL;
}

/**
 * kproxy_proxy_build_v1() - build a header of version 1
 * @data: where it is stored, KPROXY_PROXY_SIZE bytes
 * @source: the client's address
 * @destination: the address it connected to, of the same family
 *
 * Context: any.
 * Return: its length in bytes.
 */
unsigned int kproxy_proxy_build_v1(u8 *data, const union kproxy_addr *source,
				   const union kproxy_addr *destination)
{
	char *text = (char *)data;

	if (source->sa.sa_family == AF_INET6)
		return scnprintf(text, KPROXY_PROXY_SIZE,
				 "PROXY TCP6 %pI6c %pI6c %u %u\r\n",
				 &source->v6.sin6_addr,
				 &destination->v6.sin6_addr,
				 ntohs(source->v6.sin6_port),
				 ntohs(destination->v6.sin6_port));
	return scnprintf(text, KPROXY_PROXY_SIZE,
			 "PROXY TCP4 %pI4 %pI4 %u %u\r\n",
			 &source->v4.sin_addr, &destination->v4.sin_addr,
			 ntohs(source->v4.sin_port),
			 ntohs(destination->v4.sin_port));
}

/* Write everything that precedes the addresses. */
static u8 *build_v2_fixed(u8 *data, u8 family, unsigned int behind)
{
	memcpy(data, V2_MAGIC, V2_MAGIC_LEN);
	data[12] = V2_PROXY;
	data[13] = family;
	put_unaligned_be16(behind, data + 14);
	return data + V2_FIXED;
}

/**
 * kproxy_proxy_build_v2() - build a header of version 2
 * @data: where it is stored, KPROXY_PROXY_SIZE bytes
 * @source: the client's address
 * @destination: the address it connected to, of the same family
 *
 * Context: any.
 * Return: its length in bytes.
 */
unsigned int kproxy_proxy_build_v2(u8 *data, const union kproxy_addr *source,
				   const union kproxy_addr *destination)
{
	if (source->sa.sa_family == AF_INET6) {
		data = build_v2_fixed(data, V2_TCP6, V2_ADDRS6);
		memcpy(data, &source->v6.sin6_addr, 16);
		memcpy(data + 16, &destination->v6.sin6_addr, 16);
		memcpy(data + 32, &source->v6.sin6_port, 2);
		memcpy(data + 34, &destination->v6.sin6_port, 2);
		return V2_FIXED + V2_ADDRS6;
	}
	data = build_v2_fixed(data, V2_TCP4, V2_ADDRS4);
	memcpy(data, &source->v4.sin_addr, 4);
	memcpy(data + 4, &destination->v4.sin_addr, 4);
	memcpy(data + 8, &source->v4.sin_port, 2);
	memcpy(data + 10, &destination->v4.sin_port, 2);
	return V2_FIXED + V2_ADDRS4;
}
