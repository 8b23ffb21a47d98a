/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SERVER_H
#define _KPROXY_SERVER_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "balance.h"
#include "check.h"
#include "health.h"
#include "histogram.h"
#include "object.h"
#include "option.h"
#include "preconnect.h"
#include "stats.h"

struct kproxy_upstream;

/* A server's options, each with a row in kproxy_server_numbers. */
struct kproxy_server_options {
	unsigned int weight;
	enum kproxy_server_state state;
	unsigned int maxconn;
	unsigned int backup;
	unsigned int priority;
	enum kproxy_health_set health;
	/* of a request: it may have its sessions back, without failback */
	bool restore;
	/* empty for none; under the configuration lock, else by _get_name() */
	char name[KPROXY_NAME_MAX + 1];
};

/* Why a server takes no sessions, besides its options. */
enum kproxy_server_flag {
	/* It was deleted. */
	KPROXY_SERVER_GONE,
	/* Too many sessions in a row could not connect to it. */
	KPROXY_SERVER_EJECTED,
	/* Checks have found that it does not answer. */
	KPROXY_SERVER_UNHEALTHY,
};

/* What a view makes of a server. */
struct kproxy_server_next {
	struct kproxy_next next;
	struct kproxy_server_options options;
};

/* Where sessions of an upstream go. */
struct kproxy_server {
	/* Constant; the upstream is held. */
	struct kproxy_upstream *upstream;
	union kproxy_addr addr;
	u64 id;
	struct kproxy_stats __percpu *stats;
	/* a CPU's is there once it has counted */
	struct kproxy_histograms_slot __percpu *histograms;

	/* enum kproxy_server_flag, atomic bits */
	unsigned long flags;
	/* jiffies when it came back after it had been away, 0 if it was not */
	unsigned long back;
	/* Under the configuration and the choice's lock; options read by any. */
	struct kproxy_server_options options;
	struct list_head node;
	/* Under the configuration lock; what is current also under the choice's. */
	struct kproxy_states states;
	struct hlist_node by_addr;
	struct kproxy_server_health health;
	struct kproxy_preconnect preconnect;
	/* Its work writes, and no session reads. */
	struct kproxy_check check;

	/* What each session writes. */
	refcount_t refs ____cacheline_aligned_in_smp;
	/* live sessions */
	atomic_t sessions;
	/* whose turn it is of the addresses to connect from */
	atomic_t turns;
	struct kproxy_delay delay;

	struct rcu_head rcu;
};

extern const struct kproxy_option kproxy_server_numbers[];

struct kproxy_server *
kproxy_server_new(struct kproxy_upstream *up, const union kproxy_addr *addr,
		  const struct kproxy_server_options *options);
void kproxy_server_link(struct kproxy_server *server);
void kproxy_server_unlink(struct kproxy_server *server);
struct kproxy_server *kproxy_server_find(struct kproxy_upstream *up,
					 const union kproxy_addr *addr,
					 const struct kproxy_view *view);
const struct kproxy_server_options *
kproxy_server_options(const struct kproxy_server *server,
		      const struct kproxy_view *view);
void kproxy_server_get_name(const struct kproxy_server *server,
			    char name[KPROXY_NAME_MAX + 1]);
void kproxy_server_hold(struct kproxy_server *server);
void kproxy_server_put(struct kproxy_server *server);
void kproxy_server_add_time(struct kproxy_server *server,
			    enum kproxy_time_kind kind, u64 us);

/* Context: any. Lower numbers come first. */
static inline unsigned int
kproxy_server_priority(const struct kproxy_server_options *options)
{
	return READ_ONCE(options->priority) ?: READ_ONCE(options->backup);
}

/* Context: any. Whether it was said or found to be down. */
static inline bool kproxy_server_is_down(const struct kproxy_server *server)
{
	switch (READ_ONCE(server->options.health)) {
	case KPROXY_HEALTH_SET_UP:
		return false;
	case KPROXY_HEALTH_SET_DOWN:
		return true;
	default:
		return test_bit(KPROXY_SERVER_UNHEALTHY, &server->flags);
	}
}

/*
 * Context: any. Whether it takes new sessions with these options; with @open, also
 * if checks have found it down.
 */
static inline bool
kproxy_server_usable_as(const struct kproxy_server *server,
			const struct kproxy_server_options *options, bool open)
{
	enum kproxy_health_set health = READ_ONCE(options->health);
	unsigned long flags = READ_ONCE(server->flags);

	if (unlikely(open || health == KPROXY_HEALTH_SET_UP))
		flags &= ~BIT(KPROXY_SERVER_UNHEALTHY);
	return READ_ONCE(options->state) == KPROXY_SERVER_STATE_UP &&
	       READ_ONCE(options->weight) && !flags &&
	       health != KPROXY_HEALTH_SET_DOWN;
}

/* Context: any. Whether it takes new sessions, as far as is known. */
static inline bool kproxy_server_usable(const struct kproxy_server *server)
{
	return kproxy_server_usable_as(server, &server->options, false);
}

#endif /* _KPROXY_SERVER_H */
