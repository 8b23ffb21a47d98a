/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SOURCE_H
#define _KPROXY_SOURCE_H

#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"

struct kproxy_server;
struct net;
struct socket;

/* An upstream's source addresses. */
struct kproxy_source {
	enum kproxy_source_mode mode;
	/* for KPROXY_SOURCE_ADDRESS: without ports, all different */
	unsigned int nr;
	union kproxy_addr addrs[KPROXY_SOURCES_MAX];
};

int kproxy_source_try(struct net *net, const union kproxy_addr *addr);
unsigned int kproxy_source_pick(const struct kproxy_source *source, int family,
				unsigned int turn, union kproxy_addr *addr);
int kproxy_source_connect(struct kproxy_server *server, struct socket *socket,
			  const union kproxy_addr *to,
			  const union kproxy_addr *client);

#endif /* _KPROXY_SOURCE_H */
