/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTENER_H
#define _KPROXY_LISTENER_H

#include <linux/cache.h>
#include <linux/llist.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "object.h"
#include "option.h"
#include "prefixes.h"
#include "rate.h"
#include "sock.h"
#include "sockopts.h"
#include "stats.h"
#include "walk.h"

struct kproxy_listener;
struct kproxy_net;
struct kproxy_routes;
struct kproxy_sample;
struct kproxy_upstream;

/*
 * Options of a listener; times in milliseconds. kproxy_listener_numbers
 * has a row for each number.
 */
struct kproxy_listener_options {
	unsigned int maxconn;
	unsigned int backlog;
	unsigned int connect_timeout;
	unsigned int idle_timeout;
	unsigned int fin_timeout;
	unsigned int max_age;
	unsigned int transparent;
	/* of the listening sockets, for those that they accept to inherit */
	struct kproxy_sockopts sockopts;
	unsigned int rate;
	unsigned int client_maxconn;
	unsigned int client_rate;
	unsigned int accept_proxy;
	unsigned int log_sample;
	/* Clients that are admitted or not; NULL: all are. */
	struct kproxy_prefixes __rcu *prefixes;
};

/* How the sessions of a deleted listener are ended; times in milliseconds. */
struct kproxy_drain {
	/* sessions a second, 0 for as many as the deadline needs */
	unsigned int rate;
	/* when all are ended, 0 for never */
	unsigned int deadline;

	/* Constant while it is drained. */
	unsigned long began;
	unsigned int total;
	/* The drain work's: how many were ended, and where it goes on. */
	unsigned int killed;
	struct kproxy_session_walk walk;
};

/* One CPU's part of a listening socket. */
struct kproxy_listen_sock_cpu {
	struct kproxy_listen_sock *lsock;
	/* accepts when a client has come here */
	struct work_struct accept;
	/* clients that other CPUs have accepted, how many, and who starts them */
	struct llist_head handed;
	atomic_t nr_handed;
	struct work_struct start;
};

/* One address of a listener, with its listening socket. */
struct kproxy_listen_sock {
	struct kproxy_sock ks;
	struct kproxy_listener *listener;
	struct kproxy_listen_sock_cpu __percpu *cpus;
	/* accepts what waits, later or when there is room again */
	struct delayed_work accept;
	union kproxy_addr addr;
	/* Under the configuration lock: whose socket it is to take over. */
	struct kproxy_listen_sock *donor;
	bool claims;
	bool donates;
	/* Its death is announced. Under the configuration lock; a hint elsewhere. */
	bool death_reported;

	/* How many there are in the array, of the first of them. */
	unsigned int nr;
	struct rcu_head rcu;
};

/* Accepts clients on some addresses for an upstream. */
struct kproxy_listener {
	struct kproxy_object obj;
	/* Constant. */
	struct kproxy_stats __percpu *stats;
	/* which clients are logged; one CPU's by that CPU, preemption off */
	struct kproxy_sample __percpu *sample;

	/* Under the configuration lock, read under RCU; held. */
	struct kproxy_upstream __rcu *upstream;
	/*
	 * Changed under the configuration lock and @lock; freed after a grace
	 * period.
	 */
	struct kproxy_listen_sock *lsocks;
	unsigned int nr_lsocks;

	/* Under the configuration lock; options and, by RCU, routes read by any. */
	struct kproxy_listener_options options;
	/* beside the options, as each accept looks at it; NULL: there are none */
	struct kproxy_routes __rcu *routes;
	/* of the routes; they are current together with it */
	struct kproxy_states route_states;
	struct kproxy_drain drain;

	struct rcu_head rcu;

	/* What accepting within limits writes. */
	/* Protects @rate, and changes of @lsocks. */
	spinlock_t lock ____cacheline_aligned_in_smp;
	/* of accepted clients */
	struct kproxy_rate rate;
};

extern const struct kproxy_option kproxy_listener_numbers[];

void kproxy_listener_options_init(struct kproxy_listener_options *options);
struct kproxy_listener *kproxy_listener_new(struct kproxy_net *kn,
					    const char *name);
struct kproxy_listener *kproxy_listener_find(struct kproxy_net *kn,
					     const char *name,
					     const struct kproxy_view *view);
void kproxy_listener_hold(struct kproxy_listener *l);
void kproxy_listener_put(struct kproxy_listener *l);
void kproxy_lsocks_kick(struct kproxy_listen_sock *lsocks, unsigned int n);
void kproxy_listener_refused(struct kproxy_listener *l);
void kproxy_listener_session_ended(struct kproxy_listener *l);
struct kproxy_upstream *kproxy_listener_upstream(struct kproxy_listener *l);
struct kproxy_upstream *
kproxy_listener_configured_upstream(const struct kproxy_listener *l);

#endif /* _KPROXY_LISTENER_H */
