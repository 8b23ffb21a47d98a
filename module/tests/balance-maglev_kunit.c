// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <linux/mm.h>
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

static void as_many_servers_as_there_can_be(struct kunit *test)
{
	unsigned int *slots, i, least = UINT_MAX, most = 0;
	struct kproxy_balancer *b;
	u64 took;

	balance_servers(test, KPROXY_SERVERS_MAX, KPROXY_WEIGHT_MAX);
	took = ktime_get_ns();
	b = build(test);
	took = ktime_get_ns() - took;
	kunit_info(test, "built in %llu us", took / NSEC_PER_USEC);
	slots = kunit_kcalloc(test, b->nr, sizeof(*slots), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slots);
	for (i = 0; i < SLOTS; i++)
		slots[kproxy_balance_pick(b, i)]++;
	for (i = 0; i < b->nr; i++) {
		least = min(least, slots[i]);
		most = max(most, slots[i]);
	}
	KUNIT_EXPECT_EQ(test, least, SLOTS / KPROXY_SERVERS_MAX);
	KUNIT_EXPECT_LE(test, most, least + 1);
}

static struct kunit_case maglev_cases[] = {
	KUNIT_CASE(a_client_always_gets_the_same_server),
	KUNIT_CASE(clients_are_spread_by_weight),
	KUNIT_CASE(order_of_the_servers_does_not_matter),
	KUNIT_CASE(one_that_goes_takes_few_clients_of_others),
	KUNIT_CASE(weights_make_no_more_clients_move),
	KUNIT_CASE(what_has_gone_and_come_back_is_as_before),
	KUNIT_CASE(as_many_servers_as_there_can_be),
	{}
};

static struct kunit_suite maglev_suite = {
	.name = "kproxy_balance_maglev",
	.init = balance_fixture_init,
	.test_cases = maglev_cases,
};

kunit_test_suite(maglev_suite);
