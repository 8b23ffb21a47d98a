// SPDX-License-Identifier: GPL-2.0
#include "balance_kunit.h"

static void the_only_server_is_chosen(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 1, 9);
	b = balance_build(test, KPROXY_BALANCE_RANDOM);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_PTR_EQ(test, balance_choose(b, 0), &f->servers[0]);
}

/* Twelve standard deviations, so this does not fail by chance. */
static void idle_servers_get_their_weight(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 4, 1);
	for (i = 0; i < 4; i++)
		f->servers[i].weight = i + 1;
	b = balance_build(test, KPROXY_BALANCE_RANDOM);
	for (i = 0; i < 40000; i++)
		balance_choose(b, 0);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_GE(test, f->servers[i].chosen, 4000 * (i + 1) - 1200);
		KUNIT_EXPECT_LE(test, f->servers[i].chosen, 4000 * (i + 1) + 1200);
	}
}

/* With a single random choice, the busiest of 100 would have some 130. */
static void sessions_that_stay_are_spread_evenly(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 100, 1);
	b = balance_build(test, KPROXY_BALANCE_RANDOM);
	for (i = 0; i < 100 * 100; i++)
		atomic_inc(&balance_choose(b, 0)->sessions);
	for (i = 0; i < 100; i++) {
		KUNIT_EXPECT_GE(test, atomic_read(&f->servers[i].sessions), 90);
		KUNIT_EXPECT_LE(test, atomic_read(&f->servers[i].sessions), 106);
	}
}

static void of_two_the_less_busy_is_taken(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 2, 1);
	f->servers[0].weight = 4;
	b = balance_build(test, KPROXY_BALANCE_RANDOM);
	/* Twice the load of the other, relative to its weight. */
	atomic_set(&f->servers[0].sessions, 8);
	atomic_set(&f->servers[1].sessions, 1);
	for (i = 0; i < 100; i++)
		balance_choose(b, 0);
	KUNIT_EXPECT_EQ(test, f->servers[1].chosen, 100);
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE(the_only_server_is_chosen),
	KUNIT_CASE(idle_servers_get_their_weight),
	KUNIT_CASE(sessions_that_stay_are_spread_evenly),
	KUNIT_CASE(of_two_the_less_busy_is_taken),
	{}
};

static struct kunit_suite random_suite = {
	.name = "kproxy_balance_random",
	.init = balance_fixture_init,
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);
