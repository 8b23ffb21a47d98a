// SPDX-License-Identifier: GPL-2.0
/* What the tests of all methods share, and the tests of round robin. */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "balance_kunit.h"

int balance_fixture_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct balance_fixture),
				   GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static void free_servers(void *servers)
{
	kvfree(servers);
}

/* Replace the fixture's servers by @nr others at 10.0.x.y:80. */
void balance_servers(struct kunit *test, unsigned int nr, unsigned int weight)
{
	struct balance_fixture *f = test->priv;
	unsigned int i;

	f->servers = kvcalloc(nr, sizeof(*f->servers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->servers);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_servers,
							   f->servers));
	f->nr = nr;
	for (i = 0; i < nr; i++) {
		f->servers[i].addr.v4.sin_family = AF_INET;
		f->servers[i].addr.v4.sin_port = htons(80);
		f->servers[i].addr.v4.sin_addr.s_addr = htonl(0x0a000001 + i);
		f->servers[i].weight = weight;
	}
}

static void free_balancer(void *b)
{
	kproxy_balance_free(b);
}

/* Build a balancer from the fixture's servers that have a weight. */
struct kproxy_balancer *balance_build(struct kunit *test,
				      enum kproxy_balance method)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	unsigned int i, nr = 0;

	for (i = 0; i < f->nr; i++)
		nr += !!f->servers[i].weight;
	b = kproxy_balance_new(method, &f->turns, nr);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_balancer, b));
	for (i = 0, nr = 0; i < f->nr; i++) {
		struct dummy *server = &f->servers[i];

		if (!server->weight)
			continue;
		b->entries[nr++] = (struct kproxy_balance_entry){
			.server = (struct kproxy_server *)server,
			.addr = &server->addr,
			.sessions = &server->sessions,
			.delay = &server->delay,
			.weight = server->weight,
		};
	}
	KUNIT_ASSERT_EQ(test, 0, kproxy_balance_build(b));
	return b;
}

struct dummy *balance_choose(const struct kproxy_balancer *b, u32 hash)
{
	struct dummy *server = (struct dummy *)
		b->entries[kproxy_balance_pick(b, hash)].server;

	server->chosen++;
	return server;
}

static struct kproxy_balancer *weights(struct kunit *test,
				       const unsigned int *list,
				       unsigned int nr)
{
	struct balance_fixture *f = test->priv;
	unsigned int i;

	balance_servers(test, nr, 1);
	for (i = 0; i < nr; i++)
		f->servers[i].weight = list[i];
	return balance_build(test, KPROXY_BALANCE_ROUNDROBIN);
}

static void take_turns(struct balance_fixture *f,
		       const struct kproxy_balancer *b, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++)
		f->servers[i].chosen = 0;
	while (n--)
		balance_choose(b, 0);
}

static void equal_weights_go_in_turn(struct kunit *test)
{
	static const unsigned int list[] = { 7, 7, 7 };
	struct kproxy_balancer *b = weights(test, list, ARRAY_SIZE(list));
	int i;

	for (i = 0; i < 9; i++)
		KUNIT_EXPECT_EQ(test, kproxy_balance_pick(b, 0), i % 3);
}

static void shares_are_exact_in_each_round(struct kunit *test)
{
	static const unsigned int list[] = { 1, 2, 3, 4, 5 };
	struct kproxy_balancer *b = weights(test, list, ARRAY_SIZE(list));
	struct balance_fixture *f = test->priv;
	int round, i;

	for (round = 0; round < 100; round++) {
		take_turns(f, b, 15);
		for (i = 0; i < f->nr; i++)
			KUNIT_EXPECT_EQ(test, f->servers[i].chosen, i + 1);
	}
}

static void odd_weights_are_exact_too(struct kunit *test)
{
	static const unsigned int list[] = { 251, 5, 256, 1, 97 };
	struct kproxy_balancer *b = weights(test, list, ARRAY_SIZE(list));
	struct balance_fixture *f = test->priv;
	int i;

	take_turns(f, b, (251 + 5 + 256 + 1 + 97) * 10);
	for (i = 0; i < f->nr; i++)
		KUNIT_EXPECT_EQ(test, f->servers[i].chosen, list[i] * 10);
}

/* A heavy entry does not take all its turns in a row. */
static void turns_of_the_heavy_are_spread(struct kunit *test)
{
	static const unsigned int list[] = { 6, 3 };
	struct kproxy_balancer *b = weights(test, list, ARRAY_SIZE(list));
	struct balance_fixture *f = test->priv;
	unsigned int stretch = 0, longest = 0, i;

	for (i = 0; i < 90; i++) {
		if (balance_choose(b, 0) == &f->servers[0])
			stretch++;
		else
			stretch = 0;
		longest = max(longest, stretch);
	}
	KUNIT_EXPECT_LE(test, longest, 3);
}

/* After any number of turns, each server has had about its share. */
static void nobody_is_ever_far_from_its_share(struct kunit *test)
{
	static const unsigned int lists[][5] = {
		{ 86, 69, 163, 230, 214 }, { 241, 183, 133, 94, 107 },
		{ 256, 255, 254, 253, 252 }, { 1, 1, 1, 1, 256 },
		{ 118, 53, 163, 16, 1 },
	};
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int list, turn, i;

	for (list = 0; list < ARRAY_SIZE(lists); list++) {
		b = weights(test, lists[list], 5);
		for (turn = 1; turn <= b->total; turn++) {
			balance_choose(b, 0);
			for (i = 0; i < f->nr; i++) {
				int got = f->servers[i].chosen * b->total;
				int due = turn * b->entries[i].weight;

				KUNIT_EXPECT_LE(test, abs(got - due),
						4 * b->total);
			}
		}
	}
}

static void destroy_turns(void *turns)
{
	kproxy_turns_destroy(turns);
}

/*
 * A number is given once, in order while choices are few, and none is lost for
 * long, wherever the test runs.
 */
static void turns_are_numbered_once(struct kunit *test)
{
	static const unsigned int many = 20000, slack = 64;
	struct balance_fixture *f = test->priv;
	struct kproxy_turns *turns = &f->turns;
	unsigned int i, turn, taken;
	unsigned long *seen;

	seen = kunit_kcalloc(test, BITS_TO_LONGS(many + slack * nr_cpu_ids),
			     sizeof(*seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	kproxy_turns_init(turns);
	KUNIT_ASSERT_NOT_NULL(test, turns->cpus);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, destroy_turns, turns));
	/* One in a tick: each takes the next number, on whatever CPU. */
	for (i = 0; i < 100; i++) {
		turn = kproxy_turns_next(turns, i);
		KUNIT_EXPECT_EQ(test, turn, i);
		__set_bit(turn, seen);
	}
	/* A hundred in a tick. */
	for (; i < many; i++) {
		turn = kproxy_turns_next(turns, 1000 + i / 100);
		KUNIT_ASSERT_LT(test, turn, many + slack * nr_cpu_ids);
		KUNIT_EXPECT_FALSE(test, test_bit(turn, seen));
		__set_bit(turn, seen);
	}
	KUNIT_EXPECT_EQ(test, bitmap_weight(seen, many + slack * nr_cpu_ids),
			many);
	taken = atomic_read(&turns->taken);
	KUNIT_EXPECT_GE(test, taken, many);
	KUNIT_EXPECT_LE(test, taken, many + slack * nr_cpu_ids);
}

/* The count of turns survives a rebuild. */
static void a_change_goes_on_with_the_next_turn(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 3, 1);
	for (i = 0; i < 300; i++) {
		b = balance_build(test, KPROXY_BALANCE_ROUNDROBIN);
		balance_choose(b, 0);
	}
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, f->servers[i].chosen, 100);
}

static void share_of_each_is_found(struct kunit *test)
{
	static const unsigned int list[] = { 3, 1, 256, 2 };
	struct kproxy_balancer *b = weights(test, list, ARRAY_SIZE(list));
	unsigned int i, n, share = 0;

	KUNIT_EXPECT_EQ(test, b->total, 262);
	for (i = 0; i < ARRAY_SIZE(list); i++)
		for (n = 0; n < list[i]; n++)
			KUNIT_EXPECT_EQ(test, kproxy_balance_at(b, share++), i);
}

static void ports_do_not_change_a_hash(struct kunit *test)
{
	union kproxy_addr a = {}, b = {};

	a.v4.sin_family = AF_INET;
	a.v4.sin_addr.s_addr = htonl(0xc0000201);
	b = a;
	b.v4.sin_port = htons(1);
	KUNIT_EXPECT_EQ(test, kproxy_balance_hash(&a), kproxy_balance_hash(&b));
	b.v4.sin_addr.s_addr = htonl(0xc0000202);
	KUNIT_EXPECT_NE(test, kproxy_balance_hash(&a), kproxy_balance_hash(&b));
	/* Hard-coded, so that the hash never changes between releases. */
	KUNIT_EXPECT_EQ(test, kproxy_balance_hash(&a), 0x58ac3087);
}

/*
 * CHOICES clients with lasting sessions: measure the time per choice and the
 * sessions of the busiest server.
 */
#define CHOICES 10000
static void choose_for_many(struct kunit *test, const char *name,
			    enum kproxy_balance method, unsigned int nr)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	unsigned int i, most = 0;
	u64 took;

	balance_servers(test, nr, 1);
	b = balance_build(test, method);
	took = ktime_get_ns();
	for (i = 0; i < CHOICES; i++)
		atomic_inc(&balance_choose(b, kproxy_balance_rehash(i))->sessions);
	took = ktime_get_ns() - took;
	for (i = 0; i < nr; i++)
		most = max(most, f->servers[i].chosen);
	kunit_info(test, "%s, %u servers: %llu ns a choice, busiest %u of %u\n",
		   name, nr, took / CHOICES, most, CHOICES);
	KUNIT_EXPECT_GE(test, most, CHOICES / nr);
	KUNIT_EXPECT_LE(test, most, CHOICES / nr * 3 / 2 + 10);
}

/* The time is reported, not judged; see docs/performance.md. */
static void cost_of_a_choice(struct kunit *test)
{
	static const unsigned int sizes[] = { 10, 100, 10000 };
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		choose_for_many(test, "roundrobin", KPROXY_BALANCE_ROUNDROBIN,
				sizes[i]);
		choose_for_many(test, "leastconn", KPROXY_BALANCE_LEASTCONN,
				sizes[i]);
		choose_for_many(test, "random", KPROXY_BALANCE_RANDOM,
				sizes[i]);
		choose_for_many(test, "maglev", KPROXY_BALANCE_MAGLEV,
				sizes[i]);
	}
}

static struct kunit_case balance_cases[] = {
	KUNIT_CASE(equal_weights_go_in_turn),
	KUNIT_CASE(shares_are_exact_in_each_round),
	KUNIT_CASE(odd_weights_are_exact_too),
	KUNIT_CASE(turns_are_numbered_once),
	KUNIT_CASE(turns_of_the_heavy_are_spread),
	KUNIT_CASE(nobody_is_ever_far_from_its_share),
	KUNIT_CASE(a_change_goes_on_with_the_next_turn),
	KUNIT_CASE(share_of_each_is_found),
	KUNIT_CASE(ports_do_not_change_a_hash),
	KUNIT_CASE(cost_of_a_choice),
	{}
};

static struct kunit_suite balance_suite = {
	.name = "kproxy_balance",
	.init = balance_fixture_init,
	.test_cases = balance_cases,
};

kunit_test_suite(balance_suite);
