/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_TRANSACTION_H
#define _KPROXY_TRANSACTION_H

#include <linux/list.h>
#include <linux/types.h>

#include "object.h"

struct kproxy_change;
struct kproxy_net;
struct netlink_ext_ack;
struct sock;

/* All are called under the configuration lock, and may sleep. */
struct kproxy_change_ops {
	/*
	 * Add @one to the user counts of what the object will use, and subtract
	 * it from those of what it uses now. Called with 1 before any change of
	 * the view is prepared, and with -1 if one of them is refused.
	 */
	void (*count)(struct kproxy_change *change, int one);
	/*
	 * Check whether it can be made, with all changes of the view known, and
	 * reserve what that needs. The extack message does not name the object.
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
	/* All operations but finish() are optional. */
	const struct kproxy_change_ops *ops;
	/* held, and named in refusals */
	struct kproxy_object *obj;
	/* the state that is changed, and its pending change */
	struct kproxy_states *states;
	struct kproxy_next *next;
	/* a grace period must pass between publish and finish */
	bool grace;
};

void kproxy_change_stage(struct kproxy_change *change,
			 struct kproxy_view *view);
int kproxy_change_twice(struct netlink_ext_ack *extack);

void kproxy_transaction_init(struct kproxy_net *kn);
int kproxy_transaction_begin(struct kproxy_net *kn, u32 portid, struct sock *sk,
			     const u32 *generation,
			     struct netlink_ext_ack *extack);
int kproxy_transaction_commit(struct kproxy_net *kn, const struct sock *sk,
			      struct netlink_ext_ack *extack);
int kproxy_transaction_abort(struct kproxy_net *kn, const struct sock *sk,
			     struct netlink_ext_ack *extack);
int kproxy_transaction_admit(const struct kproxy_net *kn, u32 portid,
			     struct netlink_ext_ack *extack);
struct kproxy_view *kproxy_transaction_enter(struct kproxy_net *kn,
					     const struct sock *sk,
					     struct kproxy_view *own);
int kproxy_transaction_leave(struct kproxy_view *view, int err,
			     struct netlink_ext_ack *extack);
void kproxy_transaction_drop(struct kproxy_net *kn);
void kproxy_transaction_portid_closed(struct kproxy_net *kn, u32 portid);

#endif /* _KPROXY_TRANSACTION_H */
