/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_IDLE_H
#define _KPROXY_IDLE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct kproxy_idle;
struct kproxy_server;
struct kproxy_sock;
struct kproxy_sock_ops;

/* How long a server may take to answer. */
#define KPROXY_IDLE_CONNECT_TIMEOUT (5 * HZ)

/* A connection that is closed after this time was merely idle for too long. */
#define KPROXY_IDLE_LIFE_MIN (5 * HZ)

/* One CPU's idle connections to a server. */
struct kproxy_preconnect_cpu {
	/* Protects the rest, but for the counters, and what is in the lists. */
	spinlock_t lock;
	/* the oldest first */
	struct list_head ready;
	/* connecting or dead */
	struct list_head others;
	/* in both lists, without the dead */
	unsigned int nr;
	/* this_cpu_inc() */
	u64 used;
	u64 missed;
};

void kproxy_idle_init(struct kproxy_preconnect_cpu *pc);
int kproxy_idle_connect(struct kproxy_server *server,
			struct kproxy_preconnect_cpu *pc);
void kproxy_idle_reap(struct kproxy_preconnect_cpu *pc, unsigned int want,
		      struct list_head *out, bool *failed);
void kproxy_idle_close(struct list_head *list);
struct kproxy_idle *kproxy_idle_take(struct kproxy_preconnect_cpu *pc,
				     unsigned int generation);
unsigned int kproxy_idle_left(const struct kproxy_idle *idle);
void kproxy_idle_pass(struct kproxy_idle *idle, struct kproxy_sock *ks,
		      const struct kproxy_sock_ops *ops);
bool kproxy_idle_owns(const struct kproxy_sock *ks);

#endif /* _KPROXY_IDLE_H */
