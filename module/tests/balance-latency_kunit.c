// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>

#include "balance_kunit.h"

static void set_delay(struct dummy *server, u32 us)
{
	server->delay = (struct kproxy_delay){ .us = us, .at = (u32)jiffies };
}

static void the_only_server_is_chosen(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;

	balance_servers(test, 1, 9);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	KUNIT_EXPECT_PTR_EQ(test, balance_choose(b, 0), &f->servers[0]);
}

/* Twelve standard deviations, so this does not fail by chance. */
static void equal_servers_get_their_weight(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 4, 1);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	for (i = 0; i < 40000; i++)
		balance_choose(b, 0);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_GE(test, f->servers[i].chosen, 10000 - 1200);
		KUNIT_EXPECT_LE(test, f->servers[i].chosen, 10000 + 1200);
	}
}

/*
 * Sessions that stay are spread so that sessions times delay are about equal: of two
 * servers, the one that answers in a third of the time gets three times as many.
 */
static void sessions_are_spread_by_delay(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 2, 1);
	set_delay(&f->servers[0], 1000);
	set_delay(&f->servers[1], 3000);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	for (i = 0; i < 4000; i++)
		atomic_inc(&balance_choose(b, 0)->sessions);
	KUNIT_EXPECT_GE(test, atomic_read(&f->servers[0].sessions), 2980);
	KUNIT_EXPECT_LE(test, atomic_read(&f->servers[0].sessions), 3020);
	kunit_info(test, "1 ms and 3 ms: %u and %u of 4000 sessions",
		   atomic_read(&f->servers[0].sessions),
		   atomic_read(&f->servers[1].sessions));
}

/* Of ten servers, a slow one is only chosen with itself left out: never. */
static void a_slow_server_gets_few(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 10, 1);
	for (i = 0; i < 10; i++)
		set_delay(&f->servers[i], i ? 1000 : 100000);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	for (i = 0; i < 9000; i++)
		atomic_inc(&balance_choose(b, 0)->sessions);
	KUNIT_EXPECT_LE(test, atomic_read(&f->servers[0].sessions), 20);
	kunit_info(test, "100 ms among nine of 1 ms: %u of 9000 sessions",
		   atomic_read(&f->servers[0].sessions));
}

static void weight_counts_too(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 2, 1);
	f->servers[0].weight = 4;
	set_delay(&f->servers[0], 2000);
	set_delay(&f->servers[1], 1000);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	for (i = 0; i < 3000; i++)
		atomic_inc(&balance_choose(b, 0)->sessions);
	KUNIT_EXPECT_GE(test, atomic_read(&f->servers[0].sessions), 1980);
	KUNIT_EXPECT_LE(test, atomic_read(&f->servers[0].sessions), 2020);
}

static void an_unknown_delay_does_not_attract(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 2, 1);
	set_delay(&f->servers[0], 50000);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	for (i = 0; i < 1000; i++)
		atomic_inc(&balance_choose(b, 0)->sessions);
	KUNIT_EXPECT_GE(test, atomic_read(&f->servers[0].sessions), 490);
	KUNIT_EXPECT_LE(test, atomic_read(&f->servers[0].sessions), 510);
}

static void averages_move(struct kunit *test)
{
	struct kproxy_delay delay = {};
	int i;

	KUNIT_EXPECT_EQ(test, kproxy_delay_get(&delay), 0);
	kproxy_delay_add(&delay, 0);
	KUNIT_EXPECT_EQ(test, kproxy_delay_get(&delay), 1);
	delay.us = 0;
	kproxy_delay_add(&delay, 8000);
	KUNIT_EXPECT_EQ(test, kproxy_delay_get(&delay), 8000);
	kproxy_delay_add(&delay, 16000);
	KUNIT_EXPECT_EQ(test, kproxy_delay_get(&delay), 9000);
	for (i = 0; i < 100; i++)
		kproxy_delay_add(&delay, U64_MAX);
	KUNIT_EXPECT_GE(test, kproxy_delay_get(&delay), 8000000);
}

static void old_averages_fade(struct kunit *test)
{
	struct kproxy_delay delay = { .us = 8000 };

	delay.at = (u32)jiffies - 10 * HZ;
	KUNIT_EXPECT_EQ(test, kproxy_delay_get(&delay), 4000);
	delay.at = (u32)jiffies - 1000 * HZ;
	KUNIT_EXPECT_EQ(test, kproxy_delay_get(&delay), 0);
}

/* The largest of everything does not overflow. */
static void the_largest_loads_compare(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 2, 1);
	f->servers[0].weight = 4096;
	set_delay(&f->servers[0], 1 << 23);
	set_delay(&f->servers[1], 1 << 23);
	atomic_set(&f->servers[0].sessions, 1 << 20);
	atomic_set(&f->servers[1].sessions, 1 << 20);
	b = balance_build(test, KPROXY_BALANCE_LATENCY);
	for (i = 0; i < 100; i++)
		balance_choose(b, 0);
	KUNIT_EXPECT_EQ(test, f->servers[0].chosen, 100);
}

static struct kunit_case latency_cases[] = {
	KUNIT_CASE(the_only_server_is_chosen),
	KUNIT_CASE(equal_servers_get_their_weight),
	KUNIT_CASE(sessions_are_spread_by_delay),
	KUNIT_CASE(a_slow_server_gets_few),
	KUNIT_CASE(weight_counts_too),
	KUNIT_CASE(an_unknown_delay_does_not_attract),
	KUNIT_CASE(averages_move),
	KUNIT_CASE(old_averages_fade),
	KUNIT_CASE(the_largest_loads_compare),
	{}
};

static struct kunit_suite latency_suite = {
	.name = "kproxy_balance_latency",
	.init = balance_fixture_init,
	.test_cases = latency_cases,
};

kunit_test_suite(latency_suite);
