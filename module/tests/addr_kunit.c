// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/inet.h>
#include <net/netlink.h>
#include <uapi/linux/kproxy.h>

#include "../addr.h"
#include "../netlink.h"

static struct sockaddr_in ipv4(const char *ip, u16 port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = in_aton(ip),
		.sin_port = htons(port),
	};

	return addr;
}

static struct sockaddr_in6 ipv6(const char *ip, u16 port, u32 scope)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_scope_id = scope,
	};

	in6_pton(ip, -1, addr.sin6_addr.s6_addr, -1, NULL);
	return addr;
}

#define V4(ip, port) { .v4 = ipv4(ip, port) }
#define V6(ip, port, scope) { .v6 = ipv6(ip, port, scope) }
#define ANY(port) { .v4 = { .sin_port = htons(port) } }

static void same_address_is_equal(struct kunit *test)
{
	union kproxy_addr a = V4("10.0.0.1", 80), b = V4("10.0.0.1", 80);
	union kproxy_addr c = V6("fe80::1", 80, 2), d = V6("fe80::1", 80, 2);
	union kproxy_addr e = ANY(80), f = ANY(80);

	KUNIT_EXPECT_TRUE(test, kproxy_addr_equal(&a, &b));
	KUNIT_EXPECT_TRUE(test, kproxy_addr_equal(&c, &d));
	KUNIT_EXPECT_TRUE(test, kproxy_addr_equal(&e, &f));
}

static void any_difference_is_a_difference(struct kunit *test)
{
	const union kproxy_addr addrs[] = {
		V4("10.0.0.1", 80), V4("10.0.0.1", 81), V4("10.0.0.2", 80),
		V6("fe80::1", 80, 2), V6("fe80::1", 80, 3),
		V6("fe80::2", 80, 2), V6("::", 80, 0), V4("0.0.0.0", 80),
		ANY(80), ANY(81),
	};
	int i, j;

	for (i = 0; i < ARRAY_SIZE(addrs); i++)
		for (j = 0; j < ARRAY_SIZE(addrs); j++)
			KUNIT_EXPECT_EQ_MSG(test, i == j,
					    kproxy_addr_equal(&addrs[i],
							      &addrs[j]),
					    "%d and %d", i, j);
}

struct prefix_case {
	union kproxy_addr addr;
	union kproxy_addr net;
	unsigned int bits;
	bool in;
};

static void prefix_compares_leading_bits(struct kunit *test)
{
	const struct prefix_case cases[] = {
		{ V4("10.1.2.3", 5), V4("10.1.2.3", 0), 32, true },
		{ V4("10.1.2.4", 5), V4("10.1.2.3", 0), 32, false },
		{ V4("10.1.2.4", 5), V4("10.1.0.0", 0), 16, true },
		{ V4("10.2.2.4", 5), V4("10.1.0.0", 0), 16, false },
		{ V4("10.128.0.0", 5), V4("10.0.0.0", 0), 9, false },
		{ V4("10.127.0.0", 5), V4("10.0.0.0", 0), 9, true },
		{ V4("1.2.3.4", 5), V4("255.0.0.0", 0), 0, true },
		{ V6("2001:db8::1", 5, 0), V6("2001:db8::", 0, 0), 32, true },
		{ V6("2001:db9::1", 5, 0), V6("2001:db8::", 0, 0), 32, false },
		{ V6("2001:db8::1", 5, 0), V6("2001:db8::1", 0, 0), 128, true },
		{ V6("2001:db8::2", 5, 0), V6("2001:db8::1", 0, 0), 128, false },
		{ V6("::ffff:10.0.0.1", 5, 0), V4("10.0.0.1", 0), 0, false },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, cases[i].in,
				    kproxy_addr_in_prefix(&cases[i].addr,
							  &cases[i].net,
							  cases[i].bits),
				    "case %d", i);
}

static void servers_stand_where_one_can_connect(struct kunit *test)
{
	const union kproxy_addr good[] = {
		V4("10.0.0.1", 1), V4("127.0.0.1", 65535),
		V6("::1", 80, 0), V6("fe80::1", 80, 2),
	};
	const union kproxy_addr bad[] = {
		V4("10.0.0.1", 0), V4("0.0.0.0", 80), V4("224.0.0.1", 80),
		V4("255.255.255.255", 80), V6("::", 80, 0),
		V6("ff02::1", 80, 2), V6("::ffff:10.0.0.1", 80, 0), ANY(80),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		KUNIT_EXPECT_TRUE_MSG(test, kproxy_addr_connectable(&good[i]),
				      "%pISpc", &good[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_FALSE_MSG(test, kproxy_addr_connectable(&bad[i]),
				       "%pISpc", &bad[i]);
}

/* An endpoint is read back as it was written. */
static void endpoint_survives_netlink(struct kunit *test)
{
	const union kproxy_addr addrs[] = {
		V4("192.0.2.7", 8080), V6("2001:db8::7", 443, 0),
		V6("fe80::7", 443, 3), ANY(80),
	};
	struct netlink_ext_ack extack = {};
	union kproxy_addr got;
	struct sk_buff *skb;
	int i;

	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		skb = nlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, 0,
				kproxy_netlink_put_addr(skb, 1, &addrs[i]));
		KUNIT_EXPECT_EQ(test, 0,
				kproxy_netlink_get_addr((void *)skb->data, &got,
							&extack));
		KUNIT_EXPECT_TRUE(test, kproxy_addr_equal(&addrs[i], &got));
		nlmsg_free(skb);
	}
}

static void endpoint_of_two_addresses_is_refused(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct in6_addr ip6 = {};
	union kproxy_addr got;
	struct nlattr *nest;
	struct sk_buff *skb;

	skb = nlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	nest = nla_nest_start(skb, 1);
	nla_put_in_addr(skb, KPROXY_A_ENDPOINT_IPV4, htonl(1));
	nla_put_in6_addr(skb, KPROXY_A_ENDPOINT_IPV6, &ip6);
	nla_nest_end(skb, nest);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			kproxy_netlink_get_addr(nest, &got, &extack));
	KUNIT_EXPECT_NOT_NULL(test, extack._msg);
	nlmsg_free(skb);
}

static struct kunit_case addr_cases[] = {
	KUNIT_CASE(same_address_is_equal),
	KUNIT_CASE(any_difference_is_a_difference),
	KUNIT_CASE(prefix_compares_leading_bits),
	KUNIT_CASE(servers_stand_where_one_can_connect),
	KUNIT_CASE(endpoint_survives_netlink),
	KUNIT_CASE(endpoint_of_two_addresses_is_refused),
	{}
};

static struct kunit_suite addr_suite = {
	.name = "kproxy_addr",
	.test_cases = addr_cases,
};

kunit_test_suite(addr_suite);
