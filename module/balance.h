/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_BALANCE_H
#define _KPROXY_BALANCE_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/kproxy.h>

struct kproxy_balancer;
struct kproxy_server;
union kproxy_addr;

/* A way to choose. */
struct kproxy_balance_ops {
	/*
	 * Make what pick() needs besides the entries, which are complete, and
	 * leave it in @table if need be. Process context: 0 or -ENOMEM.
	 */
	int (*build)(struct kproxy_balancer *b);
	/*
	 * The number of an entry, for a client of this hash. Any context, on
	 * any number of CPUs at once.
	 */
	unsigned int (*pick)(const struct kproxy_balancer *b, u32 hash);
	/* whether pick() looks at the hash */
	bool hashes;
};

/* One that can be chosen. */
struct kproxy_balance_entry {
	/* whom this is about: nothing that a method looks into */
	struct kproxy_server *server;
	const union kproxy_addr *addr;
	/* how busy it is; changes at any time */
	const atomic_t *sessions;
	/* its share, and the shares of those before it */
	u32 weight;
	u32 before;
	/* how much busier a session makes it, which is less for a heavy one */
	u32 cost;
};

/*
 * Those that can be chosen at a time, and how. Constant once it is built: who
 * has changes builds another one.
 */
struct kproxy_balancer {
	const struct kproxy_balance_ops *ops;
	/* turns taken so far, by all that were built for the same owner */
	atomic_t *turns;
	/* the method's own, from kvmalloc() */
	void *table;
	/* all shares, and how far a turn goes on in them */
	u32 total;
	u32 step;
	/* the owner's, to free it after a grace period */
	struct rcu_work free;
	unsigned int nr;
	struct kproxy_balance_entry entries[] __counted_by(nr);
};

extern const struct kproxy_balance_ops kproxy_balance_roundrobin;
extern const struct kproxy_balance_ops kproxy_balance_leastconn;
extern const struct kproxy_balance_ops kproxy_balance_random;
extern const struct kproxy_balance_ops kproxy_balance_maglev;

struct kproxy_balancer *kproxy_balance_new(enum kproxy_balance method,
					   atomic_t *turns, unsigned int nr);
int kproxy_balance_build(struct kproxy_balancer *b);
void kproxy_balance_free(struct kproxy_balancer *b);
unsigned int kproxy_balance_at(const struct kproxy_balancer *b, u32 share);
unsigned int kproxy_balance_turn(const struct kproxy_balancer *b, u32 turn);
u32 kproxy_balance_hash(const union kproxy_addr *addr);
u32 kproxy_balance_rehash(u32 hash);

/* Context: any, as the method's. */
static inline unsigned int kproxy_balance_pick(const struct kproxy_balancer *b,
					       u32 hash)
{
	return b->ops->pick(b, hash);
}

/* Context: any. How busy a server is for its weight. */
static inline u64 kproxy_balance_load(const struct kproxy_balance_entry *entry)
{
	return (u64)(u32)atomic_read(entry->sessions) * entry->cost;
}

#endif /* _KPROXY_BALANCE_H */
