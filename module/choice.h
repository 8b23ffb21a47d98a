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
struct kproxy_view;

/* Servers of the next tier are for when there is none in this. */
enum kproxy_tier {
	KPROXY_TIER_MAIN,
	KPROXY_TIER_BACKUP,

	KPROXY_TIERS
};

/* An upstream's servers, as sessions choose among them. */
struct kproxy_choice {
	/* Published under @lock, read under RCU; NULL when there is none. */
	struct kproxy_balancer __rcu *tiers[KPROXY_TIERS];
	/* Under @lock: the configuration has changed, read by any. */
	bool stale;
	/* Serialises builds; the upstream's list of servers is under it too. */
	struct mutex lock;
	/* builds soon after a change, once for many */
	struct delayed_work work;

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
int kproxy_choice_prepare(struct kproxy_choice *c, enum kproxy_balance balance,
			  const struct kproxy_view *view,
			  struct kproxy_balancer **tiers);
void kproxy_choice_replace(struct kproxy_choice *c,
			   struct kproxy_balancer **tiers);
void kproxy_choice_forget(struct kproxy_balancer **tiers);
struct kproxy_server *kproxy_choice_pick(struct kproxy_choice *c,
					 const struct kproxy_pick *pick);
void kproxy_choice_release(struct kproxy_server *server);
u64 kproxy_choice_bit(const struct kproxy_server *server);

#endif /* _KPROXY_CHOICE_H */
