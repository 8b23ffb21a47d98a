// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "balance_kunit.h"

#define CLIENTS 20000

/* Same as in balance-maglev.c. */
#define SLOTS 65537

static u32 client(unsigned int n)
{
	union kproxy_addr addr = {
		.v4 = {
			.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(0xc6120000 + n),
		},
	};

	return kproxy_balance_hash(&addr);
}

/* Return the server of each client. */
static struct dummy **choose_all(struct kunit *test,
				 const struct kproxy_balancer *b)
{
	struct dummy **got = kunit_kmalloc_array(test, CLIENTS, sizeof(*got),
						 GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, got);
	for (i = 0; i < CLIENTS; i++)
		got[i] = balance_choose(b, client(i));
	return got;
}

static struct kproxy_balancer *build(struct kunit *test)
{
	return balance_build(test, KPROXY_BALANCE_MAGLEV);
}

static void a_client_always_gets_the_same_server(struct kunit *test)
{
	struct kproxy_balancer *b;
	unsigned int i;

	balance_servers(test, 10, 1);
	b = build(test);
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_PTR_EQ(test, balance_choose(b, client(i)),
				    balance_choose(b, client(i)));
}

/* The slots are even to one slot; the clients' share varies by chance. */
static void clients_are_spread_by_weight(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	unsigned int i, share;

	balance_servers(test, 4, 1);
	for (i = 0; i < 4; i++)
		f->servers[i].weight = i + 1;
	choose_all(test, build(test));
	for (i = 0; i < 4; i++) {
		share = CLIENTS / 10 * (i + 1);
		KUNIT_EXPECT_GE(test, f->servers[i].chosen, share - share / 8);
		KUNIT_EXPECT_LE(test, f->servers[i].chosen, share + share / 8);
	}
}

/* The same servers in reverse order. */
static void order_of_the_servers_does_not_matter(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct dummy **one, **other;
	unsigned int i, differ = 0;
	struct dummy *servers;

	balance_servers(test, 10, 1);
	for (i = 0; i < 10; i++)
		f->servers[i].weight = 1 + i % 3;
	one = choose_all(test, build(test));
	servers = f->servers;
	balance_servers(test, 10, 1);
	for (i = 0; i < 10; i++)
		f->servers[i] = servers[9 - i];
	other = choose_all(test, build(test));
	for (i = 0; i < CLIENTS; i++)
		differ += !kproxy_addr_equal(&one[i]->addr, &other[i]->addr);
	KUNIT_EXPECT_EQ(test, differ, 0);
}

/* Per cent of the remaining servers' clients that move when one server goes. */
static unsigned int moved(struct kunit *test, unsigned int gone)
{
	struct balance_fixture *f = test->priv;
	unsigned int i, others = 0, moves = 0, weight = f->servers[gone].weight;
	struct dummy **before, **after;

	before = choose_all(test, build(test));
	f->servers[gone].weight = 0;
	after = choose_all(test, build(test));
	f->servers[gone].weight = weight;
	for (i = 0; i < CLIENTS; i++) {
		if (before[i] == &f->servers[gone]) {
			KUNIT_EXPECT_PTR_NE(test, after[i], before[i]);
			continue;
		}
		others++;
		moves += before[i] != after[i];
	}
	kunit_info(test, "%u of %u clients have another server", moves, others);
	return moves * 100 / others;
}

static void one_that_goes_takes_few_clients_of_others(struct kunit *test)
{
	unsigned int gone;

	balance_servers(test, 10, 1);
	for (gone = 0; gone < 10; gone++)
		KUNIT_EXPECT_LT(test, moved(test, gone), 15);
}

static void weights_make_no_more_clients_move(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	unsigned int i;

	balance_servers(test, 10, 1);
	for (i = 0; i < 10; i++)
		f->servers[i].weight = i + 1;
	KUNIT_EXPECT_LT(test, moved(test, 0), 15);
	KUNIT_EXPECT_LT(test, moved(test, 9), 15);
}

static void what_has_gone_and_come_back_is_as_before(struct kunit *test)
{
	struct dummy **before, **after;
	unsigned int i, differ = 0;

	balance_servers(test, 7, 1);
	before = choose_all(test, build(test));
	moved(test, 3);
	after = choose_all(test, build(test));
	for (i = 0; i < CLIENTS; i++)
		differ += before[i] != after[i];
	KUNIT_EXPECT_EQ(test, differ, 0);
}

/* Build, and expect equal shares of the slots. Return: a hash of the table. */
static u64 build_evenly(struct kunit *test)
{
	static const siphash_key_t key = {};
	unsigned int *slots, i, least = UINT_MAX, most = 0;
	struct kproxy_balancer *b;
	__le16 *table;
	u64 took;

	took = ktime_get_ns();
	b = build(test);
	took = ktime_get_ns() - took;
	kunit_info(test, "built in %llu us", took / NSEC_PER_USEC);
	slots = kunit_kcalloc(test, b->nr, sizeof(*slots), GFP_KERNEL);
	table = kunit_kmalloc_array(test, SLOTS, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slots);
	KUNIT_ASSERT_NOT_NULL(test, table);
	for (i = 0; i < SLOTS; i++) {
		unsigned int n = kproxy_balance_pick(b, i);

		KUNIT_ASSERT_LT(test, n, b->nr);
		slots[n]++;
		table[i] = cpu_to_le16(n);
	}
	for (i = 0; i < b->nr; i++) {
		least = min(least, slots[i]);
		most = max(most, slots[i]);
	}
	KUNIT_EXPECT_EQ(test, least, SLOTS / b->nr);
	KUNIT_EXPECT_LE(test, most, least + 1);
	return siphash(table, SLOTS * sizeof(*table), &key);
}

/*
 * The hashes of the tables are constants, so that no release differs from another.
 * They were computed by another program, from the description alone.
 */
static void few_servers(struct kunit *test)
{
	balance_servers(test, 10, 1);
	KUNIT_EXPECT_EQ(test, build_evenly(test), 0xbabb1dbb358a1761ULL);
}

static void as_many_servers_as_there_can_be(struct kunit *test)
{
	balance_servers(test, KPROXY_SERVERS_MAX, KPROXY_WEIGHT_MAX);
	KUNIT_EXPECT_EQ(test, build_evenly(test), 0x1a3defc59a73598bULL);
}

/* Hosts of 10.0.0.0/8 whose orders of the slots, at port 80, have the same step. */
static const u32 colliding[] = {
	0x008a93, 0x00ae1b, 0x01005f, 0x0172ca, 0x037005, 0x0393d7, 0x05f4ab,
	0x071169, 0x07dbdf, 0x081f70, 0x088fa9, 0x092c07, 0x0a5d19, 0x0b05f4,
	0x0ba875, 0x0ca2ee, 0x0d7416, 0x0d9e8d, 0x0dd337, 0x0e1f1b, 0x0e72ab,
	0x0ee14a, 0x1079f0, 0x11ac78, 0x13e057, 0x16d6b5, 0x16e120, 0x170894,
	0x1745f5, 0x176488, 0x17bba8, 0x17f423, 0x1875ca, 0x193c45, 0x1943ab,
	0x1d1089, 0x1d3adc, 0x1dcc9f, 0x1e5dd0, 0x20af30, 0x212ea8, 0x216fc6,
	0x236fb2, 0x257431, 0x26284b, 0x278cce, 0x28a2e0, 0x2a1aad, 0x2abaaf,
	0x2abb8c, 0x2ae029, 0x2f2883, 0x30130d, 0x317309, 0x3210da, 0x331f9f,
	0x333223, 0x33cda4, 0x34abcd, 0x34e814, 0x355224, 0x369c5a, 0x373686,
	0x377d48, 0x3797c0, 0x37cac0, 0x37f894, 0x392449, 0x3a87be, 0x3cbe55,
	0x3fb961, 0x3fe484, 0x40bb97, 0x411294, 0x47f18b, 0x496763, 0x4afa48,
	0x4b500b, 0x4d0645, 0x4dd639, 0x4e6fd7, 0x4fe91d, 0x502cb4, 0x51afc0,
	0x51fb81, 0x52a245, 0x551dd4, 0x554d97, 0x55fa8d, 0x571aaa, 0x5972d1,
	0x5a149c, 0x5c7037, 0x5d7071, 0x5e1121, 0x5f1d56, 0x612607, 0x622368,
	0x623df6, 0x6265e6, 0x62d188, 0x648729, 0x669a70, 0x689463, 0x68a714,
	0x692516, 0x6b2866, 0x6bbf29, 0x6c3a7d, 0x6f5d9f, 0x6fb6d0, 0x7040f2,
	0x716dd1, 0x72cfdd, 0x734a78, 0x737eff, 0x739989, 0x746c23, 0x74805f,
	0x74eeb8, 0x74f0c0, 0x74f7e2, 0x7575fe, 0x765ce7, 0x76d4ed, 0x77f1e5,
	0x799fe6, 0x7adcc2,
};

/*
 * Each server probes the slots that the others have taken: this would be 5.1 million
 * probes, and a billion with as many servers as there can be. After 4.2 million each
 * server takes the next free slot. Without that limit, the table differs.
 */
static void servers_that_were_chosen_to_collide(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	unsigned int i;

	balance_servers(test, ARRAY_SIZE(colliding), 1);
	for (i = 0; i < f->nr; i++)
		f->servers[i].addr.v4.sin_addr.s_addr =
			htonl(0x0a000000 + colliding[i]);
	KUNIT_EXPECT_EQ(test, build_evenly(test), 0x61241a36b40507bcULL);
}

static struct kunit_case maglev_cases[] = {
	KUNIT_CASE(a_client_always_gets_the_same_server),
	KUNIT_CASE(clients_are_spread_by_weight),
	KUNIT_CASE(order_of_the_servers_does_not_matter),
	KUNIT_CASE(one_that_goes_takes_few_clients_of_others),
	KUNIT_CASE(weights_make_no_more_clients_move),
	KUNIT_CASE(what_has_gone_and_come_back_is_as_before),
	KUNIT_CASE(few_servers),
	KUNIT_CASE(as_many_servers_as_there_can_be),
	KUNIT_CASE(servers_that_were_chosen_to_collide),
	{}
};

static struct kunit_suite maglev_suite = {
	.name = "kproxy_balance_maglev",
	.init = balance_fixture_init,
	.test_cases = maglev_cases,
};

kunit_test_suite(maglev_suite);
