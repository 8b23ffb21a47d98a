/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_UPSTREAM_CHARGE_H
#define _KPROXY_UPSTREAM_CHARGE_H

#include <linux/types.h>

struct kproxy_upstream;
struct kproxy_upstream_options;
struct netlink_ext_ack;

/* What an upstream was charged for by a change. */
struct kproxy_upstream_charge {
	u64 connections;
	u64 checks;
};

int kproxy_upstream_charge(struct kproxy_upstream *up,
			   const struct kproxy_upstream_options *options,
			   int more, struct kproxy_upstream_charge *charge,
			   struct netlink_ext_ack *extack);
void kproxy_upstream_settle(struct kproxy_upstream *up,
			    const struct kproxy_upstream_charge *charge,
			    bool published);
void kproxy_upstream_uncharge(struct kproxy_upstream *up);

#endif /* _KPROXY_UPSTREAM_CHARGE_H */
