/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_NETNS_H
#define _KPROXY_NETNS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "admission.h"
#include "stats.h"

struct kproxy_log;
struct kproxy_quota;
struct net;
struct sock;

/* Size of the hash table of upstream names, in bits. */
#define KPROXY_NAME_BITS 8

/* All of kproxy's state in one network namespace. */
struct kproxy_net {
	struct net *net;
	/*
	 * Set under @lock before the first object is added, then constant:
	 * @stats, @upstream_names, @sessions, @admission and @quota are
	 * allocated. Read locklessly through kproxy_net_used().
	 */
	bool used;
	/* NULL for no limits */
	struct kproxy_quota *quota;
	struct kproxy_stats __percpu *stats;
	/* by id; has its own locks, readers under RCU */
	struct rhashtable sessions;
	/* has its own lock */
	struct kproxy_admission admission;
	/* the last id assigned */
	atomic64_t last_id;
	/* sessions whose memory may still refer to this */
	atomic_t live;

	/* Serialises changes of the configuration; outermost lock. */
	struct mutex lock;
	/* Opened under @lock with a listener, then constant; lockless reads. */
	struct kproxy_log *log;
	/* Under @lock, in the order of their ids. */
	struct list_head listeners;
	struct list_head upstreams;
	/* Under @lock: upstreams, also those of a transaction, by name. */
	struct hlist_head *upstream_names;
	u64 last_object;
	/* Under @lock: changes so far, so that dumps can detect them. */
	u64 changes;
	/*
	 * The transaction, under @lock. @owner is its netlink portid, or 0, and
	 * is read locklessly, as is @nr_staged, the number of its requests.
	 * @owner_sk is its socket, held; @transaction its number; @generation
	 * the value of @changes that it is based on. Then follow the staged
	 * changes and their new objects. @staging is set while a request is to
	 * be staged.
	 */
	u32 owner;
	struct sock *owner_sk;
	u64 transaction;
	u64 generation;
	unsigned int nr_staged;
	struct list_head staged;
	struct list_head new_upstreams;
	struct list_head new_listeners;
	bool staging;
	/* Under @lock: deleted listeners whose sessions are being ended. */
	struct list_head draining;
	struct delayed_work drain;
	/* announces listening sockets that were destroyed */
	struct work_struct deaths;
	/* Under @lock: the counters at the last reset. */
	struct kproxy_stats base;
	/*
	 * When stalls were last counted and how long that stays valid, in
	 * jiffies. Written under @stalls_lock, which serialises the counting.
	 */
	struct mutex stalls_lock;
	unsigned long stalls_at;
	unsigned long stalls_fresh;
	/* Allocated under @lock when first needed, then constant. */
	struct workqueue_struct *check_wq;
	struct workqueue_struct *preconnect_wq;
};

struct kproxy_net *kproxy_net(struct net *net);
int kproxy_net_use(struct kproxy_net *kn);
void kproxy_net_changed(struct kproxy_net *kn);
void kproxy_net_totals(struct kproxy_net *kn, struct kproxy_stats *sum,
		       bool reset);

/* Whether it ever had an object. Context: any. */
static inline bool kproxy_net_used(const struct kproxy_net *kn)
{
	/* pairs with the release in kproxy_net_use() */
	return smp_load_acquire(&kn->used);
}

int kproxy_netns_init(void);
void kproxy_netns_exit(void);

#endif /* _KPROXY_NETNS_H */
