// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses two servers at random, by weight, and of these the less loaded one.
 * Comparing with a second server keeps the busiest close to the average.
 * Nothing is written that another CPU reads.
 */
#include <linux/random.h>

#include "balance.h"

static int random_build(struct kproxy_balancer *b)
{
	return 0;
}

/* Choose an entry other than @first, by weight. */
static unsigned int random_other(const struct kproxy_balancer *b,
				 unsigned int first)
{
	const struct kproxy_balance_entry *entry = &b->entries[first];
	u32 share = get_random_u32_below(b->total - entry->weight);

	return kproxy_balance_at(b, share < entry->before ?
				 share : share + entry->weight);
}

/**
 * kproxy_balance_two() - choose two entries at random, by weight
 * @b: the balancer
 * @first: where one is stored
 * @second: where another one is stored
 *
 * Context: any.
 * Return: false, with nothing stored, if there is only one.
 */
bool kproxy_balance_two(const struct kproxy_balancer *b, unsigned int *first,
			unsigned int *second)
{
	if (b->nr == 1)
		return false;
	*first = kproxy_balance_at(b, get_random_u32_below(b->total));
	*second = random_other(b, *first);
	return true;
}

static unsigned int random_pick(const struct kproxy_balancer *b, u32 hash)
{
	unsigned int first, second;

	if (!kproxy_balance_two(b, &first, &second))
		return 0;
	if (kproxy_balance_load(&b->entries[second]) <
	    kproxy_balance_load(&b->entries[first]))
		return second;
	return first;
}

const struct kproxy_balance_ops kproxy_balance_random = {
	.build = random_build,
	.pick = random_pick,
};
