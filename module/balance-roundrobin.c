// SPDX-License-Identifier: GPL-2.0
/*
 * Weighted round robin, smooth and without a lock. All shares of the entries
 * stand in a row, a turn belongs to whose share it falls on, and the next turn
 * is a step further on, around the end. The step has no divisor in common with
 * the length of the row: after one round each share has had its turn once, so
 * that a round gives each entry exactly what its weight says. And it is close
 * to the golden section of the row, which of all steps spreads the turns of a
 * heavy entry most evenly between those of the others.
 *
 * What is kept from one turn to the next is a number, which CPUs count up
 * together: with one for each CPU, the turns of a few clients would not be
 * those that somebody expects who has read the configuration.
 */
#include <linux/gcd.h>
#include <linux/math64.h>

#include "balance.h"

/* How far from the golden section a step is looked for. */
#define STEP_WINDOW 64

/*
 * How much turns crowd together: the largest quotient that Euclid's algorithm
 * meets. 1 for ever is the golden section.
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
	/* Equals go in the order in which they stand. */
	b->step = b->total == b->nr ? 1 : best_step(b->total);
	return 0;
}

/**
 * kproxy_balance_turn() - whose turn it is
 * @b: the balancer, built by this method
 * @turn: the number of the turn
 *
 * Context: any.
 * Return: the number of the entry.
 */
unsigned int kproxy_balance_turn(const struct kproxy_balancer *b, u32 turn)
{
	return kproxy_balance_at(b, (u64)(turn % b->total) * b->step %
				 b->total);
}

static unsigned int roundrobin_pick(const struct kproxy_balancer *b, u32 hash)
{
	return kproxy_balance_turn(b, atomic_fetch_inc(b->turns));
}

const struct kproxy_balance_ops kproxy_balance_roundrobin = {
	.build = roundrobin_build,
	.pick = roundrobin_pick,
};
