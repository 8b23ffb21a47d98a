/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CLIENT_HELLO_H
#define _KPROXY_CLIENT_HELLO_H

#include <linux/types.h>

/* Longest ClientHello to parse, without record headers. */
#define KPROXY_HELLO_MAX 16384

/* Longest name, and its terminating zero; also for the list of protocols. */
#define KPROXY_HELLO_NAME_SIZE 256

/* The part of a ClientHello that a parser looks for. */
enum kproxy_hello_what {
	/* the server name, in lower case */
	KPROXY_HELLO_SNI,
	/*
	 * The protocols of ALPN, each behind its length in a byte, a zero behind the
	 * last. As many as there is room for.
	 */
	KPROXY_HELLO_ALPN,
};

/* State of the parser; zeroed before the first call, except for @what. */
struct kproxy_hello {
	/* offset of the stream's next byte */
	u32 at;
	/* bytes left in the record */
	u16 record;
	/* bytes of the message to skip, and bytes left after those */
	u16 skip;
	u16 left;
	u8 step;
	/* enum kproxy_hello_what */
	u8 what;
};

/*
 * Reads @len bytes of the stream, at offset @at, which never precedes the end
 * of what the same parse read last. Return 0; -EAGAIN if they have not all
 * come; another errno if they can't be read.
 */
typedef int (*kproxy_hello_read)(void *arg, u32 at, u8 *to, u32 len);

int kproxy_hello_parse(struct kproxy_hello *hello, kproxy_hello_read read,
		       void *arg, char *name);

#endif /* _KPROXY_CLIENT_HELLO_H */
