/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_TRANSACTION_H
#define _KPROXY_TRANSACTION_H

#include <linux/list.h>
#include <linux/types.h>

#include "object.h"

struct kproxy_change;
struct kproxy_net;
struct net;
struct netlink_ext_ack;
struct sock;

/* All are called under the configuration lock, and may sleep. */
struct kproxy_change_ops {
	/*
	 * Count what it will use, and what it uses no more. Comes before any is
	 * prepared. @one is 1; -1 takes it back, when another was refused.
	 */
	void (*count)(struct kproxy_change *change, int one);
	/*
	 * Whether it can be made, now that all of the view is known. The reason
	 * of a refusal need not name the object.
	 */
	int (*prepare)(struct kproxy_change *change,
		       struct netlink_ext_ack *extack);
	/* make it seen; must not fail */
	void (*publish)(struct kproxy_change *change);
	/* after all were published, or none: drop what is not used, and free */
	void (*finish)(struct kproxy_change *change, bool published);
};

/* What will become of an object. Under the configuration lock. */
struct kproxy_change {
	struct list_head node;
	/* Any may be missing but finish(). */
	const struct kproxy_change_ops *ops;
	/* held, and named in refusals */
	struct kproxy_object *obj;
	/* what of the object is changed, and what it will be */
	struct kproxy_states *states;
	struct kproxy_next *next;
	/* a grace period must pass between publish and finish */
	bool grace;
};

void kproxy_change_stage(struct kproxy_change *change,
			 struct kproxy_view *view);
int kproxy_change_twice(struct netlink_ext_ack *extack);

void kproxy_transaction_init(struct kproxy_net *kn);
int kproxy_transaction_begin(struct kproxy_net *kn, u32 port, struct sock *sk,
			     const u32 *generation,
			     struct netlink_ext_ack *extack);
int kproxy_transaction_commit(struct kproxy_net *kn, const struct sock *sk,
			      struct netlink_ext_ack *extack);
int kproxy_transaction_abort(struct kproxy_net *kn, const struct sock *sk,
			     struct netlink_ext_ack *extack);
int kproxy_transaction_admit(const struct kproxy_net *kn, u32 port,
			     struct netlink_ext_ack *extack);
struct kproxy_view *kproxy_transaction_enter(struct kproxy_net *kn,
					     const struct sock *sk,
					     struct kproxy_view *own);
int kproxy_transaction_leave(struct kproxy_view *view, int err,
			     struct netlink_ext_ack *extack);
void kproxy_transaction_drop(struct kproxy_net *kn);
void kproxy_transaction_port_closed(struct net *net, u32 port);

#endif /* _KPROXY_TRANSACTION_H */
