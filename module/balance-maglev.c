// SPDX-License-Identifier: GPL-2.0
/*
 * Maglev hashing (Eisenbud et al., NSDI 2016). A table has many more slots than
 * there are servers. A client's hash selects a slot, and the server in that
 * slot gets the client. Each server has its own permutation of the slots. The
 * servers take turns, as often as their weights say, and each takes the first
 * free slot of its permutation. Thus each has its share of the slots. If a
 * server is removed, few slots other than its own change.
 *
 * Everything is derived from the servers' addresses, in their order, without a
 * secret. Hosts with the same servers therefore have the same table, in
 * whatever order the servers were added. The table's size does not depend on
 * the number of servers, because a change would move every client.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "addr.h"
#include "balance.h"

/*
 * Slots; a prime, so that every step visits all of them. Shares are exact to 1
 * % with 655 servers; with the maximum of servers, each has 4 slots.
 */
#define SLOTS 65537U

/*
 * Probes for a whole table. Random addresses need about a million. Addresses
 * that were chosen to collide would need a billion. After this many probes, a
 * server whose turn it is takes the next free slot instead.
 */
#define LOOKS_MAX (64 * SLOTS)

/* Probes between two calls of cond_resched(). */
#define LOOKS_BATCH 8192

static const siphash_key_t place_key = {
	.key = { 0x6d61676c65762d31ULL, 0x6b70726f78792d70ULL },
};

/* Identifies a server on every host; an interface index would not. */
struct place {
	u8 ip[16];
	__be16 port;
	__be16 family;
} __packed;

/* A server while the table is being filled. */
struct seeker {
	struct place place;
	u16 entry;
	u32 weight;
	/* turns it is owed, in parts of the largest weight */
	u32 credit;
	/* the next slot of its permutation, and the step to the one after */
	u32 slot;
	u32 step;
};

static void place_of(struct place *place, const union kproxy_addr *addr)
{
	memset(place, 0, sizeof(*place));
	place->port = kproxy_addr_port(addr);
	place->family = htons(addr->sa.sa_family);
	if (addr->sa.sa_family == AF_INET6)
		memcpy(place->ip, &addr->v6.sin6_addr, sizeof(place->ip));
	else
		memcpy(place->ip, &addr->v4.sin_addr,
		       sizeof(addr->v4.sin_addr));
}

static int place_order(const void *a, const void *b)
{
	const struct seeker *one = a, *other = b;

	return memcmp(&one->place, &other->place, sizeof(one->place));
}

static u32 seekers_init(struct seeker *seekers, const struct kproxy_balancer *b)
{
	struct seeker *seeker;
	unsigned int i;
	u32 heaviest = 0;
	u64 hash;

	for (i = 0; i < b->nr; i++) {
		seeker = &seekers[i];
		seeker->entry = i;
		seeker->weight = b->entries[i].weight;
		heaviest = max(heaviest, seeker->weight);
		place_of(&seeker->place, b->entries[i].addr);
		hash = siphash(&seeker->place, sizeof(seeker->place),
			       &place_key);
		seeker->slot = lower_32_bits(hash) % SLOTS;
		seeker->step = upper_32_bits(hash) % (SLOTS - 1) + 1;
	}
	sort(seekers, b->nr, sizeof(*seekers), place_order, NULL);
	return heaviest;
}

/* Probe until a slot is free. Return false if no probes are left. */
static bool seeker_look(struct seeker *seeker, unsigned long *taken, u32 *looks)
{
	while (*looks) {
		--*looks;
		if (!__test_and_set_bit(seeker->slot, taken))
			return true;
		seeker->slot = (seeker->slot + seeker->step) % SLOTS;
		if (*looks % LOOKS_BATCH == 0)
			cond_resched();
	}
	return false;
}

/* @next: no slot below it is free once @looks is 0. */
static void seeker_take(struct seeker *seeker, u16 *slots, unsigned long *taken,
			u32 *looks, unsigned long *next)
{
	if (!seeker_look(seeker, taken, looks)) {
		*next = find_next_zero_bit(taken, SLOTS, *next);
		seeker->slot = *next;
		__set_bit(seeker->slot, taken);
	}
	slots[seeker->slot] = seeker->entry;
}

static void fill(u16 *slots, unsigned long *taken, struct seeker *seekers,
		 unsigned int nr, u32 heaviest)
{
	unsigned int left = SLOTS, i;
	unsigned long next = 0;
	u32 looks = LOOKS_MAX;

	for (;;) {
		for (i = 0; i < nr; i++) {
			seekers[i].credit += seekers[i].weight;
			if (seekers[i].credit < heaviest)
				continue;
			seekers[i].credit -= heaviest;
			seeker_take(&seekers[i], slots, taken, &looks, &next);
			if (!--left)
				return;
		}
		cond_resched();
	}
}

static int maglev_build(struct kproxy_balancer *b)
{
	unsigned long *taken = bitmap_zalloc(SLOTS, GFP_KERNEL);
	struct seeker *seekers;
	int err = -ENOMEM;

	seekers = kvcalloc(b->nr, sizeof(*seekers), GFP_KERNEL);
	b->table = kvmalloc_array(SLOTS, sizeof(u16), GFP_KERNEL_ACCOUNT);
	if (taken && seekers && b->table) {
		fill(b->table, taken, seekers, b->nr,
		     seekers_init(seekers, b));
		err = 0;
	}
	kvfree(seekers);
	bitmap_free(taken);
	return err;
}

static unsigned int maglev_pick(const struct kproxy_balancer *b, u32 hash)
{
	const u16 *slots = b->table;

	return slots[hash % SLOTS];
}

const struct kproxy_balance_ops kproxy_balance_maglev = {
	.build = maglev_build,
	.pick = maglev_pick,
	.hashes = true,
};
