/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_UPSTREAM_CHANGE_H
#define _KPROXY_UPSTREAM_CHANGE_H

#include <linux/list.h>
#include <linux/types.h>

#include "choice.h"
#include "object.h"
#include "transaction.h"
#include "upstream.h"
#include "upstream-charge.h"

struct kproxy_net;
struct kproxy_view;
struct netlink_ext_ack;

/* What becomes of an upstream, which is held. */
struct kproxy_upstream_change {
	struct kproxy_change change;
	struct kproxy_next next;
	struct kproxy_upstream *up;
	bool add;
	bool set;
	/* enum kproxy_upstream_restart */
	u32 restart;
	/* whether there are idle connections */
	bool connections;
	/* a server was taken down */
	bool down;
	struct kproxy_upstream_charge charge;
	struct kproxy_upstream_options options;
	/* struct kproxy_server_change */
	struct list_head servers;
	/* how many more it will have */
	int more;
	/* @tiers are what sessions will choose from */
	bool built;
	struct kproxy_tiers *tiers;
};

int kproxy_upstream_add(struct kproxy_view *view, const char *name,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack);
int kproxy_upstream_set(struct kproxy_view *view, struct kproxy_upstream *up,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack);
int kproxy_upstream_del(struct kproxy_view *view, struct kproxy_upstream *up,
			struct netlink_ext_ack *extack);
void kproxy_upstream_del_all(struct kproxy_net *kn);
void kproxy_upstream_stop_all(struct kproxy_net *kn);

/* For changes of its servers. */
struct kproxy_upstream_change *
kproxy_upstream_change_of(const struct kproxy_upstream *up,
			  const struct kproxy_view *view);
struct kproxy_upstream_change *
kproxy_upstream_change_get(struct kproxy_view *view, struct kproxy_upstream *up);

#endif /* _KPROXY_UPSTREAM_CHANGE_H */
