/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CHOICE_H
#define _KPROXY_CHOICE_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/kproxy.h>

#include "balance.h"
#include "queue.h"

struct kproxy_tiers;
struct kproxy_upstream;
struct kproxy_upstream_options;
struct kproxy_view;

/* An upstream's servers, as sessions choose among them. */
struct kproxy_choice {
	/* Published under @lock, read under RCU; NULL when there is none. */
	struct kproxy_tiers __rcu *tiers;
	/* Under @lock: the configuration has changed, read by any. */
	bool stale;
	/* Serialises builds; the upstream's list of servers is under it too. */
	struct mutex lock;
	/* builds soon after a change, once for many */
	struct delayed_work work;

	/* without failback: the priority in use; by cmpxchg() or a store */
	unsigned int floor;

	/* Sessions for which no server has room. */
	struct kproxy_queue queue;

	/* What choosing writes is on a line of its own. */
	struct kproxy_turns turns;
};

void kproxy_choice_init(struct kproxy_choice *c);
void kproxy_choice_destroy(struct kproxy_choice *c);
void kproxy_choice_changed(struct kproxy_choice *c);
void kproxy_choice_build_soon(struct kproxy_choice *c);
struct kproxy_tiers *
kproxy_choice_prepare(struct kproxy_choice *c,
		      const struct kproxy_upstream_options *options,
		      const struct kproxy_view *view);
void kproxy_choice_replace(struct kproxy_choice *c, struct kproxy_tiers *tiers);
void kproxy_choice_forget(struct kproxy_tiers *tiers);
void kproxy_choice_refresh(struct kproxy_choice *c);

#endif /* _KPROXY_CHOICE_H */
