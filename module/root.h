/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ROOT_H
#define _KPROXY_ROOT_H

#include <linux/cache.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "admission.h"
#include "object.h"
#include "stats.h"

struct kproxy_log;
struct kproxy_quota;
struct net;
struct sock;

/* Size of the hash table of names, in bits. */
#define KPROXY_NAME_BITS 8

/* What sessions write of a namespace; one CPU's, by that CPU alone. */
struct kproxy_net_cpu {
	/* the id to give next, and how many are left of the CPU's range */
	u64 next_id;
	unsigned int ids;
	/* the tick of the last id, how many it has had, and the one before */
	unsigned long tick;
	unsigned int given;
	unsigned int before;
	/* sessions published here, less those whose memory was given up here */
	long live;
};

/* Everything that kproxy has in one network namespace. */
struct kproxy_net {
	struct net *net;
	/*
	 * Set under @lock before the first object is added, then constant:
	 * @stats, @base, @cpus, @names, @sessions, @admission and
	 * @quota are allocated. Read by any through kproxy_net_used().
	 */
	bool used;
	/* NULL: no limits */
	struct kproxy_quota *quota;
	struct kproxy_stats __percpu *stats;
	struct kproxy_net_cpu __percpu *cpus;
	/*
	 * Made under @lock with the first splice, then constant: counters that
	 * splices have in place of a listener's and a server's.
	 */
	struct kproxy_stats __percpu *splices;
	/* Who ends the last session wakes up whoever waits for that. */
	bool ending;
	/* Opened under @lock with a listener, read by any; then constant. */
	struct kproxy_log *log;
	/* by id; its own locks, readers under RCU; its count is on another line */
	struct rhashtable sessions ____cacheline_aligned_in_smp;
	/* its own lock */
	struct kproxy_admission admission;

	/* the last id of the ranges that CPUs have */
	atomic64_t last_id;

	/* Serialises changes of the configuration; innermost of none. */
	struct mutex lock;
	/* Under @lock, of all views, in the order of their ids. */
	struct list_head listeners;
	struct list_head upstreams;
	/* Under @lock: both, by name. */
	struct hlist_head *names;
	u64 last_object;
	/* Under @lock: changes so far, for dumps to notice them. */
	u64 changes;
	/*
	 * Under @lock, the transaction: whose portid it is, which others may
	 * read, or 0, and the socket, held; the value of @changes that it is
	 * for; how many requests it has had, which others may read; and the
	 * view that they are staged in.
	 */
	u32 owner;
	struct sock *owner_sk;
	u64 generation;
	unsigned int nr_staged;
	struct kproxy_view staged;
	/* Deleted listeners whose sessions are being ended; under @lock. */
	struct list_head draining;
	struct delayed_work drain;
	/* announces listening sockets that were destroyed */
	struct work_struct deaths;
	/* Under @lock: what the counters were when they were reset. */
	struct kproxy_stats *base;
	/*
	 * When stalls were counted last and for how long that stays valid, in
	 * jiffies. Written under @stalls_lock, which serialises the counting.
	 */
	struct mutex stalls_lock;
	unsigned long stalls_at;
	unsigned long stalls_fresh;
	/* Made under @lock when they are first needed, then constant. */
	struct workqueue_struct *check_wq;
	struct workqueue_struct *preconnect_wq;
};

extern unsigned int kproxy_net_id;

struct kproxy_net *kproxy_net(struct net *net);
void kproxy_net_changed(struct kproxy_net *kn);

/* Context: any. Whether there was ever an object in it. */
static inline bool kproxy_net_used(const struct kproxy_net *kn)
{
	/* pairs with that of kproxy_net_setup() */
	return smp_load_acquire(&kn->used);
}

#endif /* _KPROXY_ROOT_H */
