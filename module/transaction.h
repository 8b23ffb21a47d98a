/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_TRANSACTION_H
#define _KPROXY_TRANSACTION_H

#include <linux/list.h>
#include <linux/types.h>

struct kproxy_change;
struct kproxy_net;
struct net;
struct netlink_ext_ack;
struct sock;

/* All are called under the configuration lock, and may sleep. */
struct kproxy_change_ops {
	/* whether it can be made, now that all of a transaction is known */
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
	const struct kproxy_change_ops *ops;
	/* the object's pointer to this, until the end, and what it was before */
	struct kproxy_change **mark;
	struct kproxy_change *before;
	/* a grace period must pass between publish and finish */
	bool grace;
};

void kproxy_change_init(struct kproxy_change *change,
			const struct kproxy_change_ops *ops,
			struct kproxy_change **mark);
int kproxy_change_submit(struct kproxy_net *kn, struct kproxy_change *change,
			 struct netlink_ext_ack *extack);
void kproxy_change_cancel(struct kproxy_net *kn, struct kproxy_change *change);
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
void kproxy_transaction_enter(struct kproxy_net *kn, const struct sock *sk);
void kproxy_transaction_leave(struct kproxy_net *kn);
void kproxy_transaction_drop(struct kproxy_net *kn);
void kproxy_transaction_port_closed(struct net *net, u32 port);

#endif /* _KPROXY_TRANSACTION_H */
