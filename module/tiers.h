/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_TIERS_H
#define _KPROXY_TIERS_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct kproxy_balancer;
struct kproxy_upstream;
struct kproxy_upstream_options;
struct kproxy_view;

/* The servers of a priority. */
struct kproxy_tier {
	unsigned int priority;
	struct kproxy_balancer *balancer;
};

/*
 * An upstream's servers by priority; constant. From @open on, there are those that
 * fail-open uses when no other takes sessions.
 */
struct kproxy_tiers {
	/* frees it after a grace period */
	struct rcu_work free;
	unsigned int open;
	unsigned int nr;
	unsigned int room;
	struct kproxy_tier tier[] __counted_by(room);
};

struct kproxy_tiers *
kproxy_tiers_new(struct kproxy_upstream *up,
		 const struct kproxy_upstream_options *options,
		 const struct kproxy_view *view, bool *growing);
void kproxy_tiers_hold(const struct kproxy_tiers *tiers);
void kproxy_tiers_retire(struct kproxy_tiers *tiers);
void kproxy_tiers_free(struct kproxy_tiers *tiers);

#endif /* _KPROXY_TIERS_H */
