/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_BALANCE_H
#define _KPROXY_BALANCE_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

struct kproxy_balancer;
struct kproxy_server;
struct kproxy_turns_cpu;
union kproxy_addr;

/* Moving average of how long a server takes to answer. */
struct kproxy_delay {
	/* microseconds, 0 for unknown */
	u32 us;
	/* jiffies of the last value */
	u32 at;
};

/* Numbers the choices of an owner, whatever balancer is built for it. */
struct kproxy_turns {
	/* a CPU's share of them; NULL: they are taken one by one */
	struct kproxy_turns_cpu __percpu *cpus;
	/* turns that were taken so far */
	atomic_t taken ____cacheline_aligned_in_smp;
};

/* A balance method. */
struct kproxy_balance_ops {
	/*
	 * Prepare what pick() needs besides the entries, which are complete;
	 * store it in @table if needed. Process context: 0 or -ENOMEM.
	 */
	int (*build)(struct kproxy_balancer *b);
	/*
	 * Return the index of an entry, for a client of this hash. Process
	 * context, on any number of CPUs at once.
	 */
	unsigned int (*pick)(const struct kproxy_balancer *b, u32 hash);
	/* whether pick() uses the hash */
	bool hashes;
};

/* One server of a balancer. */
struct kproxy_balance_entry {
	/* the server; methods don't look into it */
	struct kproxy_server *server;
	const union kproxy_addr *addr;
	/* its live sessions; changes at any time */
	const atomic_t *sessions;
	/* how long it takes to answer; changes at any time */
	struct kproxy_delay *delay;
	/* its share, and the sum of the shares before it */
	u32 weight;
	u32 before;
	/* cost of one session; less for a server of higher weight */
	u32 cost;
};

/*
 * The servers that can be chosen now, and how. Constant once built; a change
 * builds another one.
 */
struct kproxy_balancer {
	const struct kproxy_balance_ops *ops;
	/* of the owner, the same for all balancers built for it */
	struct kproxy_turns *turns;
	/* private to the method, from kvmalloc() */
	void *table;
	/* sum of all shares, and distance between turns in them */
	u32 total;
	u32 step;
	unsigned int nr;
	struct kproxy_balance_entry entries[] __counted_by(nr);
};

#define METHOD(NAME, name) \
	extern const struct kproxy_balance_ops kproxy_balance_##name;
#include "balance-methods.h"
#undef METHOD

struct kproxy_balancer *kproxy_balance_new(enum kproxy_balance method,
					   struct kproxy_turns *turns,
					   unsigned int nr);
void kproxy_turns_init(struct kproxy_turns *turns);
void kproxy_turns_destroy(struct kproxy_turns *turns);
u32 kproxy_turns_next(struct kproxy_turns *turns, unsigned long now);
int kproxy_balance_build(struct kproxy_balancer *b);
void kproxy_balance_free(struct kproxy_balancer *b);
unsigned int kproxy_balance_at(const struct kproxy_balancer *b, u32 share);
unsigned int kproxy_balance_turn(const struct kproxy_balancer *b, u32 turn);
bool kproxy_balance_two(const struct kproxy_balancer *b, unsigned int *first,
			unsigned int *second);
void kproxy_delay_add(struct kproxy_delay *delay, u64 us);
u32 kproxy_delay_get(const struct kproxy_delay *delay);
u32 kproxy_balance_hash(const union kproxy_addr *addr);
u32 kproxy_balance_rehash(u32 hash);

/* Choose an entry. Context: process. */
static inline unsigned int kproxy_balance_pick(const struct kproxy_balancer *b,
					       u32 hash)
{
	return b->ops->pick(b, hash);
}

/* Sessions of a server, relative to its weight. Context: any. */
static inline u64 kproxy_balance_load(const struct kproxy_balance_entry *entry)
{
	return (u64)(u32)atomic_read(entry->sessions) * entry->cost;
}

#endif /* _KPROXY_BALANCE_H */
