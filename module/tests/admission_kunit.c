// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/inet.h>
#include <linux/jiffies.h>
#include <linux/rhashtable.h>

#include "../addr.h"
#include "../admission.h"

static const struct kproxy_client_limits two = { .maxconn = 2 };
static const struct kproxy_client_limits two_a_second = { .rate = 2 };

/* Far in the future, so that the real expire work forgets no client. */
static unsigned long base;

static int admission_init(struct kunit *test)
{
	struct kproxy_admission *adm;

	adm = kunit_kzalloc(test, sizeof(*adm), GFP_KERNEL);
	if (!adm)
		return -ENOMEM;
	test->priv = adm;
	base = jiffies + 3600 * HZ;
	return kproxy_admission_init(adm);
}

static void admission_exit(struct kunit *test)
{
	if (test->priv)
		kproxy_admission_destroy(test->priv);
}

/* Enter a client of a given listener. */
static struct kproxy_client *enter(struct kunit *test, u32 listener,
				   const union kproxy_addr *addr,
				   const struct kproxy_client_limits *limits,
				   unsigned long now)
{
	return kproxy_admission_enter(test->priv, listener, addr, limits,
				      base + now);
}

static struct kproxy_client *enter4(struct kunit *test, u32 ip,
				    const struct kproxy_client_limits *limits,
				    unsigned long now)
{
	union kproxy_addr addr = { .v4.sin_family = AF_INET };

	addr.v4.sin_addr.s_addr = htonl(ip);
	return enter(test, 1, &addr, limits, now);
}

static struct kproxy_client *enter6(struct kunit *test, const char *ip,
				    const struct kproxy_client_limits *limits,
				    unsigned long now)
{
	union kproxy_addr addr = { .v6.sin6_family = AF_INET6 };

	in6_pton(ip, -1, addr.v6.sin6_addr.s6_addr, -1, NULL);
	return enter(test, 1, &addr, limits, now);
}

static void leave(struct kunit *test, struct kproxy_client *client,
		  unsigned long now)
{
	kproxy_admission_leave(test->priv, client, base + now);
}

static bool expire(struct kunit *test, unsigned long now)
{
	return kproxy_admission_expire(test->priv, base + now);
}

static void client_may_have_as_many_sessions_as_its_limit(struct kunit *test)
{
	struct kproxy_client *a = enter4(test, 1, &two, 0);
	struct kproxy_client *b = enter4(test, 1, &two, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(a));
	KUNIT_EXPECT_PTR_EQ(test, a, b);
	KUNIT_EXPECT_EQ(test, PTR_ERR(enter4(test, 1, &two, 0)), -EUSERS);
	leave(test, a, 0);
	KUNIT_EXPECT_PTR_EQ(test, a, enter4(test, 1, &two, 0));
	KUNIT_EXPECT_EQ(test, PTR_ERR(enter4(test, 1, &two, 0)), -EUSERS);
}

static void other_clients_and_listeners_have_their_own_limit(struct kunit *test)
{
	struct kproxy_client *client = enter4(test, 1, &two, 0);
	union kproxy_addr same = { .v4.sin_family = AF_INET };

	same.v4.sin_addr.s_addr = htonl(1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(client));
	KUNIT_EXPECT_PTR_NE(test, client, enter4(test, 2, &two, 0));
	KUNIT_EXPECT_PTR_NE(test, client, enter(test, 2, &same, &two, 0));
	/*
	 * IPv6 addresses must not collide with the IPv4 address of the same
	 * bits.
	 */
	KUNIT_EXPECT_PTR_NE(test, client, enter6(test, "::1", &two, 0));
}

static void ipv6_clients_are_counted_by_64_bits(struct kunit *test)
{
	struct kproxy_client *client;

	client = enter6(test, "2001:db8:0:1::1", &two, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(client));
	KUNIT_EXPECT_PTR_EQ(test, client,
			    enter6(test, "2001:db8:0:1:ffff::", &two, 0));
	KUNIT_EXPECT_EQ(test, -EUSERS,
			PTR_ERR(enter6(test, "2001:db8:0:1::3", &two, 0)));
	KUNIT_EXPECT_FALSE(test,
			   IS_ERR(enter6(test, "2001:db8:0:2::1", &two, 0)));
}

static void rate_outlives_the_sessions(struct kunit *test)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct kproxy_client *client;

		client = enter4(test, 1, &two_a_second, i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(client));
		leave(test, client, i);
	}
	KUNIT_EXPECT_EQ(test, -EDQUOT,
			PTR_ERR(enter4(test, 1, &two_a_second, 3)));
	KUNIT_EXPECT_FALSE(test,
			   IS_ERR(enter4(test, 1, &two_a_second, 2 * HZ)));
}

static void clients_without_sessions_expire(struct kunit *test)
{
	struct kproxy_admission *adm = test->priv;
	struct kproxy_client *stays;
	int i;

	stays = enter4(test, 1, &two, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(stays));
	/* More than one batch of expired clients. */
	for (i = 0; i < 1000; i++) {
		struct kproxy_client *client = enter4(test, 100 + i, &two, 0);

		KUNIT_ASSERT_FALSE(test, IS_ERR(client));
		leave(test, client, i < 900 ? 0 : HZ);
	}
	KUNIT_EXPECT_EQ(test, adm->nr_idle, 1000);
	KUNIT_EXPECT_EQ(test, atomic_read(&adm->clients.nelems), 1001);
	KUNIT_EXPECT_TRUE(test, expire(test, 2 * HZ - 1));
	KUNIT_EXPECT_EQ(test, adm->nr_idle, 1000);
	KUNIT_EXPECT_TRUE(test, expire(test, 2 * HZ));
	KUNIT_EXPECT_EQ(test, adm->nr_idle, 100);
	KUNIT_EXPECT_FALSE(test, expire(test, 3 * HZ));
	KUNIT_EXPECT_EQ(test, atomic_read(&adm->clients.nelems), 1);
	leave(test, stays, 3 * HZ);
	KUNIT_EXPECT_FALSE(test, expire(test, 5 * HZ));
	KUNIT_EXPECT_EQ(test, atomic_read(&adm->clients.nelems), 0);
}

static void memory_of_clients_without_sessions_is_bounded(struct kunit *test)
{
	struct kproxy_admission *adm = test->priv;
	int i;

	for (i = 0; i < KPROXY_CLIENTS_IDLE_MAX + 100; i++) {
		struct kproxy_client *client = enter4(test, i + 1, &two, 0);

		KUNIT_ASSERT_FALSE(test, IS_ERR(client));
		leave(test, client, 0);
	}
	KUNIT_EXPECT_EQ(test, adm->nr_idle, KPROXY_CLIENTS_IDLE_MAX);
	KUNIT_EXPECT_EQ(test, atomic_read(&adm->clients.nelems),
			KPROXY_CLIENTS_IDLE_MAX);
}

static struct kunit_case admission_cases[] = {
	KUNIT_CASE(client_may_have_as_many_sessions_as_its_limit),
	KUNIT_CASE(other_clients_and_listeners_have_their_own_limit),
	KUNIT_CASE(ipv6_clients_are_counted_by_64_bits),
	KUNIT_CASE(rate_outlives_the_sessions),
	KUNIT_CASE(clients_without_sessions_expire),
	KUNIT_CASE(memory_of_clients_without_sessions_is_bounded),
	{}
};

static struct kunit_suite admission_suite = {
	.name = "kproxy_admission",
	.init = admission_init,
	.exit = admission_exit,
	.test_cases = admission_cases,
};

kunit_test_suite(admission_suite);
