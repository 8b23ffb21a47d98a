/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTENER_CHANGE_H
#define _KPROXY_LISTENER_CHANGE_H

#include <linux/container_of.h>
#include <linux/types.h>

#include "listener.h"
#include "object.h"
#include "transaction.h"

struct kproxy_net;
struct kproxy_prefixes;
struct kproxy_upstream;
struct kproxy_view;
struct netlink_ext_ack;
union kproxy_addr;

/*
 * What becomes of a listener, which is held. When the listening sockets are to
 * change, @lsocks are the new ones, and the old ones once it is published.
 */
struct kproxy_listener_change {
	struct kproxy_change change;
	struct kproxy_next next;
	struct kproxy_listener *l;
	bool add;
	bool kill;
	/* how many listening sockets have the new options */
	unsigned int applied;
	/* held */
	struct kproxy_upstream *upstream;
	struct kproxy_listener_options options;
	/* its networks are others; the list that it will not have, or has no more */
	bool networks;
	struct kproxy_prefixes *spare;
	struct kproxy_listen_sock *lsocks;
	unsigned int nr_lsocks;
};

int kproxy_listener_add(struct kproxy_view *view, const char *name,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack);
int kproxy_listener_set(struct kproxy_view *view, struct kproxy_listener *l,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack);
int kproxy_listener_del(struct kproxy_view *view, struct kproxy_listener *l,
			bool kill, struct netlink_ext_ack *extack);
void kproxy_listener_drain(struct kproxy_listener *l, unsigned int rate,
			   unsigned int deadline);
void kproxy_listener_del_all(struct kproxy_net *kn);

/* The change of a listener in a view, if there is one. Configuration lock. */
static inline struct kproxy_listener_change *
kproxy_listener_change_of(const struct kproxy_listener *l,
			  const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&l->obj.states, view);

	return next ? container_of(next, struct kproxy_listener_change, next) :
		      NULL;
}

#endif /* _KPROXY_LISTENER_CHANGE_H */
