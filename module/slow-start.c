// SPDX-License-Identifier: GPL-2.0
/*
 * The share of its weight that a server gets after it has come back: it grows to
 * the whole in the time that the upstream's slow-start has. A server notes in any
 * context that it came back; its share is computed in process context, whenever
 * the tiers of its upstream are built.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>

#include "server.h"
#include "slow-start.h"

/**
 * kproxy_slow_start_share() - the share of its weight that a server gets
 * @back: when it came back, in jiffies; 0 if it was never away
 * @now: the time
 * @ms: over how many milliseconds its share grows
 *
 * Context: any.
 * Return: the share, 1 to KPROXY_SHARE_FULL.
 */
unsigned int kproxy_slow_start_share(unsigned long back, unsigned long now,
				     unsigned int ms)
{
	unsigned long whole = msecs_to_jiffies(ms), age = now - back;

	if (!back || age >= whole)
		return KPROXY_SHARE_FULL;
	return 1 + div_u64((u64)age * (KPROXY_SHARE_FULL - 1), whole);
}

/**
 * kproxy_slow_start_begin() - a server takes sessions that did not before
 * @server: the server
 *
 * Context: any.
 */
void kproxy_slow_start_begin(struct kproxy_server *server)
{
	/* Not 0, and not in the future. */
	WRITE_ONCE(server->back, (jiffies - 1) | 1);
}

/**
 * kproxy_slow_start_weight() - a server's weight in parts of KPROXY_SHARE_FULL
 * @server: the server
 * @weight: its weight
 * @ms: over how many milliseconds its share grows
 * @growing: set if it is not the whole yet
 *
 * Context: any.
 * Return: as many parts as the server's share has grown to.
 */
unsigned int kproxy_slow_start_weight(struct kproxy_server *server,
				      unsigned int weight, unsigned int ms,
				      bool *growing)
{
	unsigned long back = READ_ONCE(server->back);
	unsigned int share = kproxy_slow_start_share(back, jiffies, ms);

	if (share < KPROXY_SHARE_FULL)
		*growing = true;
	else if (back)
		/* It must not look recent again when jiffies wrap. */
		cmpxchg(&server->back, back, 0);
	return weight * share;
}

/**
 * kproxy_slow_start_step() - the time from one step of a share to the next
 * @ms: over how many milliseconds it grows
 *
 * Context: any.
 * Return: the time in jiffies, which may be 0.
 */
unsigned long kproxy_slow_start_step(unsigned int ms)
{
	return msecs_to_jiffies(ms) / KPROXY_SHARE_FULL;
}
