// SPDX-License-Identifier: GPL-2.0
/*
 * Smooth weighted round robin without a lock. The shares of all entries form a
 * ring. A turn goes to the entry whose share it falls on, and the next turn is
 * a fixed step further. The step is coprime to the number of shares. A round
 * therefore visits each share once and gives each entry exactly its weight. The
 * step is close to the golden section of the ring, because that spreads the
 * turns of a heavy entry most evenly among the others.
 *
 * The only state is the number of the turn (turns.c).
 */
#include <linux/gcd.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "balance.h"

/* How far from the golden section to search for a step. */
#define STEP_WINDOW 64

/*
 * How unevenly turns are spread: the largest quotient in Euclid's algorithm.
 * The golden section has only quotients of 1.
 */
static u32 crowding(u32 total, u32 step)
{
	u32 worst = 0, rest;

	while (step) {
		worst = max(worst, total / step);
		rest = total % step;
		total = step;
		step = rest;
	}
	return worst;
}

static u32 best_step(u32 total)
{
	u32 golden = mul_u64_u32_shr(total, 2654435769U, 32);
	u32 low = golden > STEP_WINDOW ? golden - STEP_WINDOW : 1;
	u32 high = min(golden + STEP_WINDOW, total - 1);
	u32 best = 1, least = U32_MAX, step, crowd;

	for (step = low; step <= high; step++) {
		if (gcd(step, total) != 1)
			continue;
		crowd = crowding(total, step);
		if (crowd < least) {
			least = crowd;
			best = step;
		}
	}
	return best;
}

static int roundrobin_build(struct kproxy_balancer *b)
{
	/* Entries of equal weight take turns in their order. */
	b->step = b->total == b->nr ? 1 : best_step(b->total);
	return 0;
}

/**
 * kproxy_balance_turn() - find the entry whose turn it is
 * @b: the balancer, built by this method
 * @turn: the number of the turn
 *
 * Context: any.
 * Return: the index of the entry.
 */
unsigned int kproxy_balance_turn(const struct kproxy_balancer *b, u32 turn)
{
	return kproxy_balance_at(b, (u64)(turn % b->total) * b->step %
				 b->total);
}

static unsigned int roundrobin_pick(const struct kproxy_balancer *b, u32 hash)
{
	return kproxy_balance_turn(b, kproxy_turns_next(b->turns, jiffies));
}

const struct kproxy_balance_ops kproxy_balance_roundrobin = {
	.build = roundrobin_build,
	.pick = roundrobin_pick,
};
