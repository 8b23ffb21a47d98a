// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing a server. A balancer is built in process context and then published
 * as a whole, so that choosing takes no lock and only reads. Each method is in
 * a file balance-*.c; this file has what they share.
 */
#include <linux/gcd.h>
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "addr.h"
#include "balance.h"

static const struct kproxy_balance_ops *const methods[] = {
#define METHOD(NAME, name) [KPROXY_BALANCE_##NAME] = &kproxy_balance_##name,
#include "balance-methods.h"
#undef METHOD
};

/*
 * Cost of a session on a server of weight 1. Divisible by 1 to 16, so that
 * small weights, which are the usual ones, compare exactly.
 */
#define COST_ONE (720720U << 12)

/* Not secret, because independent hosts must make the same choice. */
static const siphash_key_t hash_key = {
	.key = { 0x6b70726f78792031ULL, 0x62616c616e636572ULL },
};

/**
 * kproxy_balance_new() - allocate a balancer
 * @method: the balance method
 * @turns: numbers the choices; outlives the balancer
 * @nr: number of servers, at least one
 *
 * Context: process, may sleep.
 * Return: the balancer, owned by the caller, who fills in its entries; NULL if
 * memory is short.
 */
struct kproxy_balancer *kproxy_balance_new(enum kproxy_balance method,
					   struct kproxy_turns *turns,
					   unsigned int nr)
{
	struct kproxy_balancer *b;

	b = kvzalloc(struct_size(b, entries, nr), GFP_KERNEL_ACCOUNT);
	if (!b)
		return NULL;
	b->ops = methods[method];
	b->turns = turns;
	b->nr = nr;
	return b;
}

/* Only the ratio of the weights matters; small weights make short rounds. */
static void add_up(struct kproxy_balancer *b)
{
	unsigned int i;
	u32 common = 0;

	for (i = 0; i < b->nr; i++)
		common = gcd(common, b->entries[i].weight);
	for (i = 0; i < b->nr; i++) {
		b->entries[i].weight /= common;
		b->entries[i].cost = COST_ONE / b->entries[i].weight;
		b->entries[i].before = b->total;
		b->total += b->entries[i].weight;
	}
}

/**
 * kproxy_balance_build() - finish a balancer
 * @b: from kproxy_balance_new(), with server, address, sessions and a weight
 *	other than 0 in every entry
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM; the caller owns the balancer in both cases.
 */
int kproxy_balance_build(struct kproxy_balancer *b)
{
	add_up(b);
	return b->ops->build(b);
}

/**
 * kproxy_balance_free() - free a balancer that is no longer used
 * @b: the balancer; references that its entries hold are the caller's to put
 *
 * Context: any but hard interrupts.
 */
void kproxy_balance_free(struct kproxy_balancer *b)
{
	kvfree(b->table);
	kvfree(b);
}

/**
 * kproxy_balance_at() - find the entry that owns a share
 * @b: the balancer
 * @share: number of the share, below the balancer's total
 *
 * Context: any.
 * Return: the index of the entry.
 */
unsigned int kproxy_balance_at(const struct kproxy_balancer *b, u32 share)
{
	unsigned int low = 0, high = b->nr, middle;

	if (b->total == b->nr)
		return share;
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (b->entries[middle].before > share)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/**
 * kproxy_balance_hash() - hash a client's address
 * @addr: its address; the port is ignored
 *
 * Context: any.
 * Return: the hash, the same on every host.
 */
u32 kproxy_balance_hash(const union kproxy_addr *addr)
{
	if (addr->sa.sa_family == AF_INET6)
		return siphash(&addr->v6.sin6_addr,
			       sizeof(addr->v6.sin6_addr), &hash_key);
	return siphash(&addr->v4.sin_addr, sizeof(addr->v4.sin_addr),
		       &hash_key);
}

/**
 * kproxy_balance_rehash() - derive another hash for another try
 * @hash: the hash that led to an unusable server
 *
 * Context: any.
 * Return: the hash, the same on every host.
 */
u32 kproxy_balance_rehash(u32 hash)
{
	return jhash_1word(hash, 0);
}
