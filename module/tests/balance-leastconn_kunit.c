// SPDX-License-Identifier: GPL-2.0
#include <linux/random.h>

#include "balance_kunit.h"

static struct kproxy_balancer *equals(struct kunit *test, unsigned int nr)
{
	balance_servers(test, nr, 1);
	return balance_build(test, KPROXY_BALANCE_LEASTCONN);
}

static void hold(const struct kproxy_balancer *b, unsigned int n)
{
	while (n--)
		atomic_inc(&balance_choose(b, 0)->sessions);
}

static void expect_sessions(struct kunit *test, int low, int high)
{
	struct balance_fixture *f = test->priv;
	int i;

	for (i = 0; i < f->nr; i++) {
		KUNIT_EXPECT_GE(test, atomic_read(&f->servers[i].sessions),
				low * (int)f->servers[i].weight);
		KUNIT_EXPECT_LE(test, atomic_read(&f->servers[i].sessions),
				high * (int)f->servers[i].weight);
	}
}

static void sessions_that_stay_are_spread_exactly(struct kunit *test)
{
	struct kproxy_balancer *b = equals(test, 60);

	hold(b, 60 * 20);
	expect_sessions(test, 20, 20);
}

static void weights_give_shares(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	int i;

	balance_servers(test, 5, 1);
	for (i = 0; i < 5; i++)
		f->servers[i].weight = i + 1;
	hold(balance_build(test, KPROXY_BALANCE_LEASTCONN), 15 * 40);
	expect_sessions(test, 40, 40);
}

static void the_idle_one_catches_up_first(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b = equals(test, 10);
	int i;

	hold(b, 100);
	atomic_set(&f->servers[7].sessions, 0);
	for (i = 0; i < 10; i++) {
		struct dummy *server = balance_choose(b, 0);

		KUNIT_EXPECT_PTR_EQ(test, server, &f->servers[7]);
		atomic_inc(&server->sessions);
	}
}

/* Idle servers: by weight, and not all to the first or the heaviest. */
static void idle_servers_get_their_weight(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	int i;

	balance_servers(test, 3, 1);
	f->servers[1].weight = 4;
	b = balance_build(test, KPROXY_BALANCE_LEASTCONN);
	for (i = 0; i < 600; i++)
		balance_choose(b, 0);
	KUNIT_EXPECT_EQ(test, f->servers[0].chosen, 100);
	KUNIT_EXPECT_EQ(test, f->servers[1].chosen, 400);
	KUNIT_EXPECT_EQ(test, f->servers[2].chosen, 100);
}

static void thousands_are_spread_nearly_exactly(struct kunit *test)
{
	struct kproxy_balancer *b = equals(test, 1000);

	hold(b, 1000 * 5);
	expect_sessions(test, 4, 6);
}

/* As many sessions end, on random servers, as begin. */
static void thousands_stay_even_under_change(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b = equals(test, 1000);
	int i, busiest = 0;

	hold(b, 1000 * 8);
	for (i = 0; i < 20000; i++) {
		atomic_t *any = &f->servers[get_random_u32_below(1000)].sessions;

		if (atomic_add_unless(any, -1, 0))
			hold(b, 1);
	}
	for (i = 0; i < f->nr; i++)
		busiest = max(busiest, atomic_read(&f->servers[i].sessions));
	/* Chosen at random, some servers would have 18 and more. */
	KUNIT_EXPECT_LE(test, busiest, 9);
}

/* The last of a thousand is found after as many choices as there are groups. */
static void the_idle_one_of_thousands_is_found(struct kunit *test)
{
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b = equals(test, 1000);

	hold(b, 1000 * 4);
	atomic_set(&f->servers[999].sessions, 0);
	hold(b, 16 + 4);
	KUNIT_EXPECT_GE(test, atomic_read(&f->servers[999].sessions), 4);
}

static struct kunit_case leastconn_cases[] = {
	KUNIT_CASE(sessions_that_stay_are_spread_exactly),
	KUNIT_CASE(weights_give_shares),
	KUNIT_CASE(the_idle_one_catches_up_first),
	KUNIT_CASE(idle_servers_get_their_weight),
	KUNIT_CASE(thousands_are_spread_nearly_exactly),
	KUNIT_CASE(thousands_stay_even_under_change),
	KUNIT_CASE(the_idle_one_of_thousands_is_found),
	{}
};

static struct kunit_suite leastconn_suite = {
	.name = "kproxy_balance_leastconn",
	.init = balance_fixture_init,
	.test_cases = leastconn_cases,
};

kunit_test_suite(leastconn_suite);
