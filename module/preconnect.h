/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PRECONNECT_H
#define _KPROXY_PRECONNECT_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct kproxy_preconnect_cpu;
struct kproxy_net;
struct kproxy_server;
struct kproxy_sock;
struct kproxy_sock_ops;
struct sock;

/* The idle connections to a server. */
struct kproxy_preconnect {
	struct kproxy_preconnect_cpu __percpu *cpus;
	/* connections that can be taken */
	atomic_t ready;
	/* Of the options that they are made with; the configuration lock. */
	unsigned int generation;

	/* makes them, and closes those that are of no use */
	struct delayed_work work;
	/* The work's: how long to wait after a failure, and until when. */
	unsigned long backoff;
	unsigned long not_before;
	/* The work is queued for the end of a connect; read by sessions. */
	bool waits;
};

/* Counts of idle connections. */
struct kproxy_preconnect_stats {
	unsigned int ready;
	u64 used;
	u64 missed;
};

int kproxy_preconnect_open(struct kproxy_net *kn);
int kproxy_preconnect_prepare(struct kproxy_server *server);
void kproxy_preconnect_apply(struct kproxy_server *server);
void kproxy_preconnect_replace_all(struct kproxy_server *server);
void kproxy_preconnect_refill(struct kproxy_server *server);
void kproxy_preconnect_stop(struct kproxy_server *server);
bool kproxy_preconnect_take(struct kproxy_server *server,
			    const struct sock *owner, struct kproxy_sock *ks,
			    const struct kproxy_sock_ops *ops);
void kproxy_preconnect_sum(const struct kproxy_server *server,
			   struct kproxy_preconnect_stats *sum);

#endif /* _KPROXY_PRECONNECT_H */
