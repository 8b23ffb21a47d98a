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

struct kproxy_server;
struct kproxy_upstream;
struct kproxy_upstream_options;
struct kproxy_view;

/* Priorities that a server may have. */
#define KPROXY_PRIORITIES (KPROXY_PRIORITY_MAX + 1)

/* A server's whole share of its weight. */
#define KPROXY_SHARE_FULL 16U

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

/* The session for which a server is chosen. */
struct kproxy_pick {
	/* for those ways that hash it */
	const union kproxy_addr *client;
	/* kproxy_choice_bit() of each server that has failed it */
	u64 tried;
	/* the last of them, or NULL */
	const struct kproxy_server *last;
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
unsigned int kproxy_choice_share(unsigned long back, unsigned long now,
				 unsigned int ms);
void kproxy_choice_came_back(struct kproxy_server *server);
void kproxy_choice_restore(struct kproxy_choice *c, unsigned int priority);
struct kproxy_server *kproxy_choice_pick(struct kproxy_choice *c,
					 const struct kproxy_pick *pick);
void kproxy_choice_release(struct kproxy_server *server);
u64 kproxy_choice_bit(const struct kproxy_server *server);

#endif /* _KPROXY_CHOICE_H */
