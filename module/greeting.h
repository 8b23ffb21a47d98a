/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_GREETING_H
#define _KPROXY_GREETING_H

#include <linux/types.h>

#include "client-hello.h"
#include "pool.h"

struct socket;
union kproxy_addr;

/* What a client must send first, and how much of it was read. */
struct kproxy_greeting {
	/* a PROXY header is expected and not yet completely taken */
	bool proxy;
	/* a ClientHello is to be read, and also what it has in ALPN */
	bool name;
	bool alpn;
	/* @left is valid: bytes of the header not yet taken */
	bool known;
	unsigned int left;
	/* by enum kproxy_hello_what */
	struct kproxy_hello hello[2];
};

int kproxy_greeting_read(struct kproxy_greeting *greeting,
			 struct socket *socket, union kproxy_addr *source,
			 union kproxy_addr *destination);
int kproxy_greeting_hello(struct kproxy_greeting *greeting,
			  struct socket *socket, enum kproxy_hello_what what,
			  char *text);
int kproxy_greeting_write(struct kproxy_pool *pool, unsigned int version,
			  const union kproxy_addr *source,
			  const union kproxy_addr *destination,
			  struct kproxy_pool_frag *frag);
const void *kproxy_greeting_local(unsigned int version, size_t *len);

#endif /* _KPROXY_GREETING_H */
