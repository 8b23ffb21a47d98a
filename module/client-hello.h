/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CLIENT_HELLO_H
#define _KPROXY_CLIENT_HELLO_H

#include <linux/types.h>

/* The longest ClientHello that is looked at, without the headers of records. */
#define KPROXY_HELLO_MAX 16384

/* The longest name, and one more byte for its end. */
#define KPROXY_HELLO_NAME_SIZE 256

/* How far a ClientHello was parsed; zeroed before the first call. */
struct kproxy_hello {
	/* the stream's next byte */
	u32 at;
	/* bytes left of the record */
	u16 record;
	/* bytes of the message to be stepped over, and left of it behind those */
	u16 skip;
	u16 left;
	u8 step;
};

/*
 * Reads @len bytes of the stream, at @at from its beginning, which is not before
 * the end of what the same parse has read last: 0; -EAGAIN when they have not all
 * come; another errno when they can't be read.
 */
typedef int (*kproxy_hello_read)(void *arg, u32 at, u8 *to, u32 len);

int kproxy_hello_parse(struct kproxy_hello *hello, kproxy_hello_read read,
		       void *arg, char *name);

#endif /* _KPROXY_CLIENT_HELLO_H */
