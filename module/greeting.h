/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_GREETING_H
#define _KPROXY_GREETING_H

#include <linux/types.h>

#include "pool.h"

struct socket;
union kproxy_addr;

/* How far the header that a client must send has been read. */
struct kproxy_greeting {
	/* bytes of it that are still to come or to be taken, once it is known */
	unsigned int left;
	bool known;
};

int kproxy_greeting_read(struct kproxy_greeting *greeting,
			 struct socket *socket, union kproxy_addr *source,
			 union kproxy_addr *destination);
int kproxy_greeting_write(struct kproxy_pool *pool, unsigned int version,
			  const union kproxy_addr *source,
			  const union kproxy_addr *destination,
			  struct kproxy_pool_frag *frag);

#endif /* _KPROXY_GREETING_H */
