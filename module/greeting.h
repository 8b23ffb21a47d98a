/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_GREETING_H
#define _KPROXY_GREETING_H

#include <linux/types.h>

#include "client-hello.h"
#include "pool.h"

struct socket;
union kproxy_addr;

/* What a client is to say first, and how far that has been read. */
struct kproxy_greeting {
	/* a header of the PROXY protocol, which has not all been taken yet */
	bool proxy;
	/* the server that it asks for by TLS, if it does */
	bool name;
	/* bytes of the header to come or to be taken, once it is known */
	bool known;
	unsigned int left;
	struct kproxy_hello hello;
};

int kproxy_greeting_read(struct kproxy_greeting *greeting,
			 struct socket *socket, union kproxy_addr *source,
			 union kproxy_addr *destination);
int kproxy_greeting_name(struct kproxy_greeting *greeting,
			 struct socket *socket, char *name);
int kproxy_greeting_write(struct kproxy_pool *pool, unsigned int version,
			  const union kproxy_addr *source,
			  const union kproxy_addr *destination,
			  struct kproxy_pool_frag *frag);

#endif /* _KPROXY_GREETING_H */
