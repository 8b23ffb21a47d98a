// SPDX-License-Identifier: GPL-2.0
/*
 * Lists of networks that are admitted or denied; the longest match decides. The
 * kernel's tries for that are private to routing and BPF. Lists change rarely
 * and as a whole, so the result is precomputed when a list is set. Networks
 * only nest, so n of them cut the address space into at most 2n + 1 ranges. A
 * client then costs one binary search: twelve comparisons for a thousand
 * networks, however long their prefixes are.
 *
 * IPv4 is represented by mapped IPv6 addresses, so that one search serves both.
 * An IPv6 network that contains the mapped range does not apply to IPv4.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "addr.h"
#include "prefixes.h"

/* Maximum of nested networks: one of each length, and the whole space. */
#define DEPTH_MAX (128 + 2)

/* Bits before an IPv4 address in its mapped form. */
#define MAPPED_BITS 96

/**
 * kproxy_prefix_set() - fill in a network
 * @prefix: the network
 * @addr: any address of it, mapped if it is IPv4
 * @bits: its prefix length, at most 128
 * @allow: whether its clients are admitted
 *
 * Context: any.
 */
void kproxy_prefix_set(struct kproxy_prefix *prefix,
		       const struct in6_addr *addr, u8 bits, bool allow)
{
	ipv6_addr_prefix(&prefix->addr, addr, bits);
	prefix->bits = bits;
	prefix->allow = allow;
}

static int prefix_cmp(const void *a, const void *b)
{
	const struct kproxy_prefix *p = a, *q = b;

	return memcmp(&p->addr, &q->addr, sizeof(p->addr)) ?:
	       (int)p->bits - q->bits;
}

/* Compute the first address after a network; return false if there is none. */
static bool prefix_end(const struct kproxy_prefix *prefix,
		       struct in6_addr *end)
{
	unsigned int bit = prefix->bits;

	/* Increment the last bit of the prefix, with the carry. */
	*end = prefix->addr;
	while (bit--) {
		u8 mask = 0x80 >> (bit % 8);

		end->s6_addr[bit / 8] ^= mask;
		if (end->s6_addr[bit / 8] & mask)
			return true;
	}
	return false;
}

/* Addresses from @start on are @allow; replaces a range with the same start. */
static void range_add(struct kproxy_prefixes *prefixes,
		      const struct in6_addr *start, bool allow)
{
	struct kproxy_prefix_range *ranges = prefixes->ranges;
	unsigned int n = prefixes->nr_ranges;

	if (n && ipv6_addr_equal(&ranges[n - 1].start, start))
		n--;
	if (!n || ranges[n - 1].allow != allow) {
		ranges[n].start = *start;
		ranges[n].allow = allow;
		n++;
	}
	prefixes->nr_ranges = n;
}

/* State while the ranges are computed. */
struct walk {
	struct kproxy_prefixes *out;
	/* The networks around the current one, innermost last. */
	const struct kproxy_prefix *in[DEPTH_MAX];
	unsigned int depth;
	/* All networks, sorted by address, the wider first. */
	unsigned int n;
	struct kproxy_prefix sorted[] __counted_by(n);
};

/* Leave networks that end at or before @next; all but the first if NULL. */
static void leave_until(struct walk *walk, const struct in6_addr *next)
{
	struct in6_addr end;

	while (walk->depth > 1) {
		bool ends = prefix_end(walk->in[walk->depth - 1], &end);

		if (next && (!ends || memcmp(&end, next, sizeof(end)) > 0))
			return;
		walk->depth--;
		if (ends)
			range_add(walk->out, &end,
				  walk->in[walk->depth - 1]->allow);
	}
}

/* @otherwise: whether an address in no network is admitted. */
static void make_ranges(struct walk *walk, bool otherwise)
{
	const struct kproxy_prefix all = { .allow = otherwise };
	unsigned int i;

	walk->in[walk->depth++] = &all;
	range_add(walk->out, &all.addr, otherwise);
	for (i = 0; i < walk->n; i++) {
		leave_until(walk, &walk->sorted[i].addr);
		walk->in[walk->depth++] = &walk->sorted[i];
		range_add(walk->out, &walk->sorted[i].addr,
			  walk->sorted[i].allow);
	}
	leave_until(walk, NULL);
}

static struct walk *walk_new(struct kproxy_prefixes *prefixes, bool otherwise)
{
	unsigned int i, n = prefixes->n;
	struct in6_addr mapped;
	struct walk *walk;

	walk = kvzalloc(struct_size(walk, sorted, n + 1), GFP_KERNEL);
	if (!walk)
		return NULL;
	walk->out = prefixes;
	walk->n = n + 1;
	memcpy(walk->sorted, prefixes->list, n * sizeof(*prefixes->list));
	/* A network that contains all of IPv4 does not apply to it. */
	ipv6_addr_set_v4mapped(0, &mapped);
	kproxy_prefix_set(&walk->sorted[n], &mapped, MAPPED_BITS, otherwise);
	for (i = 0; i < n; i++)
		if (!prefix_cmp(&prefixes->list[i], &walk->sorted[n]))
			walk->n = n;
	sort(walk->sorted, walk->n, sizeof(*walk->sorted), prefix_cmp, NULL);
	return walk;
}

static const struct kproxy_prefix *find_duplicate(const struct walk *walk)
{
	unsigned int i;

	for (i = 1; i < walk->n; i++)
		if (!prefix_cmp(&walk->sorted[i - 1], &walk->sorted[i]))
			return &walk->sorted[i];
	return NULL;
}

/* If any network is admitted explicitly, all other addresses are denied. */
static bool otherwise_of(const struct kproxy_prefix *list, unsigned int n)
{
	while (n--)
		if (list[n].allow)
			return false;
	return true;
}

/**
 * kproxy_prefixes_new() - make a list of networks
 * @list: the networks, by kproxy_prefix_set()
 * @n: how many
 * @twice: where a duplicate network is stored
 *
 * An address in none of them is admitted if the list admits no network.
 *
 * Context: process, may sleep.
 * Return: the list, for kproxy_prefixes_free(); -EEXIST for a duplicate
 * network; -ENOMEM.
 */
struct kproxy_prefixes *kproxy_prefixes_new(const struct kproxy_prefix *list,
					    unsigned int n,
					    struct kproxy_prefix *twice)
{
	/* Begin and end of each network and of IPv4, and the first range. */
	unsigned int nr_ranges = 2 * (n + 1) + 1;
	bool otherwise = otherwise_of(list, n);
	struct kproxy_prefixes *prefixes;
	const struct kproxy_prefix *bad;
	struct walk *walk;

	prefixes = kvzalloc(size_add(struct_size(prefixes, list, n),
				     array_size(nr_ranges,
						sizeof(*prefixes->ranges))),
			    GFP_KERNEL_ACCOUNT);
	if (!prefixes)
		return ERR_PTR(-ENOMEM);
	prefixes->n = n;
	memcpy(prefixes->list, list, n * sizeof(*list));
	prefixes->ranges = (void *)&prefixes->list[n];
	walk = walk_new(prefixes, otherwise);
	if (!walk) {
		kvfree(prefixes);
		return ERR_PTR(-ENOMEM);
	}
	bad = find_duplicate(walk);
	if (bad) {
		*twice = *bad;
		kvfree(prefixes);
		prefixes = ERR_PTR(-EEXIST);
	} else {
		make_ranges(walk, otherwise);
	}
	kvfree(walk);
	return prefixes;
}

/**
 * kproxy_prefixes_free() - free a list after a grace period
 * @prefixes: the list, which no new reader finds; may be NULL
 *
 * Context: any.
 */
void kproxy_prefixes_free(struct kproxy_prefixes *prefixes)
{
	if (prefixes)
		kvfree_rcu(prefixes, rcu);
}

/**
 * kproxy_prefixes_allow() - check whether a client is admitted
 * @prefixes: the list
 * @addr: the client's address
 *
 * Context: any, under RCU.
 * Return: true if it is.
 */
bool kproxy_prefixes_allow(const struct kproxy_prefixes *prefixes,
			   const union kproxy_addr *addr)
{
	const struct kproxy_prefix_range *ranges = prefixes->ranges;
	unsigned int low = 0, high = prefixes->nr_ranges;
	struct in6_addr key;

	kproxy_addr_mapped(addr, &key);
	while (high - low > 1) {
		unsigned int middle = (low + high) / 2;

		if (memcmp(&ranges[middle].start, &key, sizeof(key)) <= 0)
			low = middle;
		else
			high = middle;
	}
	return ranges[low].allow;
}
