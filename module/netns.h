/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_NETNS_H
#define _KPROXY_NETNS_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "admission.h"
#include "stats.h"

struct kproxy_log;
struct net;

/* Everything that kproxy has in one network namespace. */
struct kproxy_net {
	struct net *net;
	struct kproxy_stats __percpu *stats;
	/* by id; its own locks, readers under RCU */
	struct rhashtable sessions;
	/* its own lock */
	struct kproxy_admission admission;
	/* the id given last */
	atomic64_t last_id;
	/* sessions whose memory may still refer to this */
	atomic_t live;

	/* Serialises changes of the configuration; innermost of none. */
	struct mutex lock;
	/* Opened under @lock with a listener, read by any; then constant. */
	struct kproxy_log *log;
	/* Under @lock, in the order of their ids. */
	struct list_head listeners;
	struct list_head upstreams;
	/* Under @lock: upstreams, also those of a transaction, by name. */
	DECLARE_HASHTABLE(upstream_names, 8);
	u32 last_object;
	/* Under @lock: changes so far, for dumps to notice them. */
	unsigned int changes;
	/*
	 * Under @lock, the transaction: whose port it is, which others may
	 * read, or 0; the value of @changes that it is for; what is staged;
	 * the new objects among it; and whether what is done is to be staged.
	 */
	u32 owner;
	unsigned int generation;
	struct list_head staged;
	struct list_head new_upstreams;
	struct list_head new_listeners;
	bool staging;
	/* Deleted listeners whose sessions are being ended; under @lock. */
	struct list_head draining;
	struct delayed_work drain;
	/* announces listening sockets that were destroyed */
	struct work_struct deaths;
	/* Under @lock: what the counters were when they were reset. */
	struct kproxy_stats base;
};

struct kproxy_net *kproxy_net(struct net *net);
void kproxy_net_changed(struct kproxy_net *kn);
void kproxy_net_totals(struct kproxy_net *kn, struct kproxy_stats *sum,
		       bool reset);
int kproxy_netns_init(void);
void kproxy_netns_exit(void);

#endif /* _KPROXY_NETNS_H */
