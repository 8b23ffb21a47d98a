// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses two servers at random, by weight, and of these the one that is expected
 * to be done with its sessions first: the time that it takes to answer, by a
 * moving average, times its sessions and the new one.
 *
 * A server that was slow gets no sessions by which it could show that it is slow no
 * longer. So an average that gets no new values is halved every 10 seconds.
 */
#include <linux/bits.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>

#include "balance.h"

/* The weight of what was before, against one for a new value. */
#define INERTIA 7

/* How long it takes an average without new values to be halved. */
#define HALF (10 * HZ)

/* Longer times are all the same: 8 seconds. */
#define DELAY_MAX BIT(23)

/* Of a cost, see balance.c: no product of what is compared needs more than 64 bits. */
#define COST_SHIFT 12

static int latency_build(struct kproxy_balancer *b)
{
	return 0;
}

/**
 * kproxy_delay_add() - a server has answered
 * @delay: the server's average
 * @us: how long it took, in microseconds
 *
 * CPUs may add at the same time; then one of the values may be lost.
 *
 * Context: any.
 */
void kproxy_delay_add(struct kproxy_delay *delay, u64 us)
{
	u32 old = kproxy_delay_get(delay), now = clamp(us, 1, DELAY_MAX);

	WRITE_ONCE(delay->us, old ? (old * INERTIA + now) / (INERTIA + 1) ?: 1 :
				    now);
	WRITE_ONCE(delay->at, (u32)jiffies);
}

/**
 * kproxy_delay_get() - how long a server takes to answer
 * @delay: the server's average
 *
 * Context: any.
 * Return: the time in microseconds, 0 if it is not known.
 */
u32 kproxy_delay_get(const struct kproxy_delay *delay)
{
	u32 us = READ_ONCE(delay->us);
	u32 age = (u32)jiffies - READ_ONCE(delay->at);

	return us >> min(age / HALF, 31U);
}

/* What a server that gets another session is expected to take. */
static u64 latency_load(const struct kproxy_balance_entry *entry, u32 us)
{
	return ((u64)(u32)atomic_read(entry->sessions) + 1) *
	       (entry->cost >> COST_SHIFT) * us;
}

static unsigned int latency_pick(const struct kproxy_balancer *b, u32 hash)
{
	unsigned int first, second;
	u32 one, other;

	if (!kproxy_balance_two(b, &first, &second))
		return 0;
	one = kproxy_delay_get(b->entries[first].delay);
	other = kproxy_delay_get(b->entries[second].delay);
	/* Until both are known, only the sessions count. */
	if (!one || !other) {
		one = 1;
		other = 1;
	}
	return latency_load(&b->entries[second], other) <
	       latency_load(&b->entries[first], one) ? second : first;
}

const struct kproxy_balance_ops kproxy_balance_latency = {
	.build = latency_build,
	.pick = latency_pick,
};
