// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses the server with the fewest sessions for its weight. A weighted round
 * robin breaks ties, so that clients that come to an idle upstream one by one
 * are spread by weight as well.
 *
 * Servers are not kept sorted, because that would need a lock. Instead, each
 * choice reads the session counts, which exist anyway. Up to GROUP servers, it
 * reads all of them. More servers are divided into groups of GROUP. Each choice
 * compares the least load last seen in each group, and scans the best group. It
 * also scans one more group, in turn. A server that became less busy is
 * therefore found after as many choices as there are groups. No choice reads
 * more than 2 * GROUP servers and the 256 groups of the largest upstream.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "balance.h"

#define GROUP 64U

/* The least busy server that was seen, and the load of the next one. */
struct least {
	unsigned int entry;
	u64 load;
	u64 next;
};

static unsigned int groups(const struct kproxy_balancer *b)
{
	return DIV_ROUND_UP(b->nr, GROUP);
}

static int leastconn_build(struct kproxy_balancer *b)
{
	/* Zeroed, so that each group is scanned once first. */
	b->table = kvcalloc(groups(b), sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!b->table)
		return -ENOMEM;
	return kproxy_balance_roundrobin.build(b);
}

/* Scan the entries from @low to before @high, beginning at @first. */
static struct least scan(const struct kproxy_balancer *b, unsigned int low,
			 unsigned int high, unsigned int first)
{
	struct least least = { .entry = first, .load = U64_MAX,
			       .next = U64_MAX };
	unsigned int n, i = first;
	u64 load;

	for (n = low; n < high; n++) {
		load = kproxy_balance_load(&b->entries[i]);
		if (load < least.load) {
			least.next = least.load;
			least.load = load;
			least.entry = i;
		} else if (load < least.next) {
			least.next = load;
		}
		if (++i == high)
			i = low;
	}
	return least;
}

/* Scan a group; @taken if its least busy server gets a session now. */
static unsigned int scan_group(const struct kproxy_balancer *b,
			       unsigned int group, unsigned int first,
			       bool taken)
{
	unsigned int low = group * GROUP, high = min(low + GROUP, b->nr);
	struct least least;
	u64 *seen = b->table;

	if (first < low || first >= high)
		first = low;
	least = scan(b, low, high, first);
	if (taken)
		least.load = min(least.next, least.load +
				 b->entries[least.entry].cost);
	/* CPUs may write in any order; the next scan corrects it. */
	WRITE_ONCE(seen[group], least.load);
	return least.entry;
}

static unsigned int best_group(const struct kproxy_balancer *b,
			       unsigned int first)
{
	unsigned int nr = groups(b), best = first, group = first, n;
	u64 least = U64_MAX, load;
	const u64 *seen = b->table;

	for (n = 0; n < nr; n++) {
		load = READ_ONCE(seen[group]);
		if (load < least) {
			least = load;
			best = group;
		}
		if (++group == nr)
			group = 0;
	}
	return best;
}

static unsigned int leastconn_pick(const struct kproxy_balancer *b, u32 hash)
{
	u32 turn = kproxy_turns_next(b->turns, jiffies);
	unsigned int first = kproxy_balance_turn(b, turn);

	if (b->nr <= GROUP)
		return scan(b, 0, b->nr, first).entry;
	scan_group(b, turn % groups(b), first, false);
	return scan_group(b, best_group(b, first / GROUP), first, true);
}

const struct kproxy_balance_ops kproxy_balance_leastconn = {
	.build = leastconn_build,
	.pick = leastconn_pick,
};
