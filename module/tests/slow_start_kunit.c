// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/jiffies.h>

#include "../server.h"
#include "../slow-start.h"
#include "balance_kunit.h"

static void a_share_grows(struct kunit *test)
{
	unsigned long back = jiffies | 1;
	unsigned int n, last = 0, share;

	for (n = 0; n < 16; n++) {
		share = kproxy_slow_start_share(back, back + n * HZ, 16000);
		KUNIT_EXPECT_GE(test, share, last);
		KUNIT_EXPECT_LE(test, share, n + 1);
		KUNIT_EXPECT_GE(test, share, n ?: 1);
		last = share;
	}
	KUNIT_EXPECT_EQ(test, kproxy_slow_start_share(back, back + 16 * HZ, 16000),
			KPROXY_SHARE_FULL);
	KUNIT_EXPECT_EQ(test, kproxy_slow_start_share(0, back, 16000),
			KPROXY_SHARE_FULL);
	KUNIT_EXPECT_EQ(test, kproxy_slow_start_share(back, back, 0),
			KPROXY_SHARE_FULL);
}

/* Also if it is built right away. */
static void it_begins_with_the_least(struct kunit *test)
{
	struct kproxy_server *server;
	int i;

	server = kunit_kzalloc(test, sizeof(*server), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, server);
	for (i = 0; i < 3; i++) {
		kproxy_slow_start_begin(server);
		KUNIT_EXPECT_EQ(test, 1,
				kproxy_slow_start_share(server->back, jiffies,
							1000000));
		fsleep(jiffies_to_usecs(1));
	}
}

/* Two servers, one of which is at each step of its growth. */
static void sessions_follow_the_share(struct kunit *test)
{
	static const enum kproxy_balance methods[] = {
		KPROXY_BALANCE_ROUNDROBIN, KPROXY_BALANCE_LEASTCONN,
		KPROXY_BALANCE_RANDOM, KPROXY_BALANCE_LATENCY,
	};
	struct balance_fixture *f = test->priv;
	struct kproxy_balancer *b;
	unsigned int m, share, i, due;

	for (m = 0; m < ARRAY_SIZE(methods); m++) {
		for (share = 1; share <= KPROXY_SHARE_FULL; share += 5) {
			balance_servers(test, 2, KPROXY_SHARE_FULL);
			f->servers[1].weight = share;
			b = balance_build(test, methods[m]);
			for (i = 0; i < 1700; i++)
				atomic_inc(&balance_choose(b, 0)->sessions);
			due = 1700 * share / (KPROXY_SHARE_FULL + share);
			KUNIT_EXPECT_GE(test,
					atomic_read(&f->servers[1].sessions) + 20,
					due);
			KUNIT_EXPECT_LE(test,
					atomic_read(&f->servers[1].sessions),
					due + 20);
			kunit_info(test, "method %u, share %u/16: %d of 1700 sessions",
				   methods[m], share,
				   atomic_read(&f->servers[1].sessions));
		}
	}
}

static struct kunit_case slow_start_cases[] = {
	KUNIT_CASE(a_share_grows),
	KUNIT_CASE(it_begins_with_the_least),
	KUNIT_CASE(sessions_follow_the_share),
	{}
};

static struct kunit_suite slow_start_suite = {
	.name = "kproxy_slow_start",
	.init = balance_fixture_init,
	.test_cases = slow_start_cases,
};

kunit_test_suite(slow_start_suite);
