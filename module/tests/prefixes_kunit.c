// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/inet.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "../addr.h"
#include "../prefixes.h"

#define MANY 1024

static void set_addr(union kproxy_addr *addr, const char *text)
{
	memset(addr, 0, sizeof(*addr));
	if (in4_pton(text, -1, (u8 *)&addr->v4.sin_addr, -1, NULL)) {
		addr->v4.sin_family = AF_INET;
		return;
	}
	addr->v6.sin6_family = AF_INET6;
	in6_pton(text, -1, addr->v6.sin6_addr.s6_addr, -1, NULL);
}

/* Fill in a network, such as "10.0.0.0" and 8, or "fd00::" and 8. */
static void set_prefix(struct kproxy_prefix *prefix, const char *text, u8 bits,
		       bool allow)
{
	union kproxy_addr addr;
	struct in6_addr mapped;

	set_addr(&addr, text);
	kproxy_addr_mapped(&addr, &mapped);
	if (addr.sa.sa_family == AF_INET)
		bits += 96;
	kproxy_prefix_set(prefix, &mapped, bits, allow);
}

struct network {
	const char *addr;
	u8 bits;
	bool allow;
};

static struct kproxy_prefixes *new_list(const struct network *networks, int n,
					struct kproxy_prefix *twice)
{
	struct kproxy_prefix list[8];
	int i;

	for (i = 0; i < n; i++)
		set_prefix(&list[i], networks[i].addr, networks[i].bits,
			   networks[i].allow);
	return kproxy_prefixes_new(list, n, twice);
}

static struct kproxy_prefixes *make_list(struct kunit *test,
					 const struct network *networks, int n)
{
	struct kproxy_prefix twice;
	struct kproxy_prefixes *prefixes = new_list(networks, n, &twice);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, prefixes);
	return prefixes;
}

static bool allows(const struct kproxy_prefixes *prefixes, const char *text)
{
	union kproxy_addr addr;

	set_addr(&addr, text);
	return kproxy_prefixes_allow(prefixes, &addr);
}

static void only_denied_networks_are_shut_out(struct kunit *test)
{
	static const struct network networks[] = {
		{ "10.0.0.0", 8, false }, { "fd00::", 8, false },
	};
	struct kproxy_prefixes *prefixes = make_list(test, networks, 2);

	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.0.0.0"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.255.255.255"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "9.255.255.255"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "11.0.0.0"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "fd00::"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "fdff::1"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "fe00::"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "::"));
	kproxy_prefixes_free(prefixes);
}

static void only_allowed_networks_are_let_in(struct kunit *test)
{
	static const struct network networks[] = {
		{ "192.0.2.1", 32, true }, { "255.255.255.255", 32, true },
		{ "ffff::", 16, true },
	};
	struct kproxy_prefixes *prefixes = make_list(test, networks, 3);

	KUNIT_EXPECT_TRUE(test, allows(prefixes, "192.0.2.1"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "192.0.2.0"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "192.0.2.2"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "255.255.255.255"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "fd00::1"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "::1:0:0:0"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes,
				       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	kproxy_prefixes_free(prefixes);
}

static void longest_prefix_wins_in_any_order(struct kunit *test)
{
	static const struct network networks[] = {
		{ "10.1.2.3", 32, false }, { "10.0.0.0", 8, false },
		{ "10.1.2.0", 24, true }, { "10.1.0.0", 16, false },
		{ "0.0.0.0", 0, true }, { "10.1.2.0", 25, true },
	};
	struct kproxy_prefixes *prefixes = make_list(test, networks, 6);

	KUNIT_EXPECT_TRUE(test, allows(prefixes, "9.9.9.9"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.2.0.1"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.1.1.255"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "10.1.2.0"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "10.1.2.2"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.1.2.3"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "10.1.2.4"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "10.1.2.255"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.1.3.0"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.255.255.255"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "11.0.0.0"));
	/* The only IPv6 network was the mapped one, which means IPv4. */
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "2001:db8::1"));
	kproxy_prefixes_free(prefixes);
}

static void all_of_one_family_says_nothing_of_the_other(struct kunit *test)
{
	static const struct network six[] = { { "::", 0, false } };
	static const struct network four[] = { { "0.0.0.0", 0, false } };
	struct kproxy_prefixes *prefixes = make_list(test, six, 1);

	KUNIT_EXPECT_TRUE(test, allows(prefixes, "10.0.0.1"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "::1"));
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "ffff::1"));
	kproxy_prefixes_free(prefixes);
	prefixes = make_list(test, four, 1);
	KUNIT_EXPECT_FALSE(test, allows(prefixes, "10.0.0.1"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "::1"));
	KUNIT_EXPECT_TRUE(test, allows(prefixes, "ffff::1"));
	kproxy_prefixes_free(prefixes);
}

static void a_network_that_stands_there_twice_is_refused(struct kunit *test)
{
	static const struct network networks[] = {
		{ "10.1.0.0", 16, true }, { "10.0.0.0", 8, true },
		{ "10.1.77.0", 16, false },
	};
	struct kproxy_prefixes *prefixes;
	struct kproxy_prefix twice;

	prefixes = new_list(networks, 3, &twice);
	KUNIT_EXPECT_EQ(test, PTR_ERR(prefixes), -EEXIST);
	KUNIT_EXPECT_EQ(test, twice.bits, 96 + 16);
	KUNIT_EXPECT_EQ(test, twice.addr.s6_addr32[3], htonl(0x0a010000));
}

/* Reference implementation: a linear search for the longest match. */
static bool longest(const struct kproxy_prefix *list, int n, bool otherwise,
		    const struct in6_addr *addr)
{
	bool v4 = ipv6_addr_v4mapped(addr), allow = otherwise;
	int i, best = -1;

	for (i = 0; i < n; i++) {
		if (list[i].bits <= best || (v4 && list[i].bits < 96) ||
		    !ipv6_prefix_equal(addr, &list[i].addr, list[i].bits))
			continue;
		best = list[i].bits;
		allow = list[i].allow;
	}
	return allow;
}

/* Random nested and adjacent addresses of both families. */
static void random_addr(struct rnd_state *rnd, struct in6_addr *addr)
{
	int i;

	memset(addr, prandom_u32_state(rnd) & 1 ? 0xff : 0, sizeof(*addr));
	for (i = 0; i < 16; i++)
		if (!(prandom_u32_state(rnd) & 3))
			addr->s6_addr[i] = prandom_u32_state(rnd) & 0x81;
	if (prandom_u32_state(rnd) & 1)
		ipv6_addr_set_v4mapped(addr->s6_addr32[3], addr);
}

static void any_list_says_what_a_search_by_hand_says(struct kunit *test)
{
	struct kproxy_prefix *list, twice;
	struct kproxy_prefixes *prefixes;
	union kproxy_addr addr = {};
	struct rnd_state rnd;
	int round, n, i, j;

	list = kunit_kmalloc_array(test, MANY, sizeof(*list), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, list);
	prandom_seed_state(&rnd, 1);
	for (round = 0; round < 60; round++) {
		bool otherwise = true;
		int want = round < 50 ? round : MANY;

		for (n = 0; n < want; n++) {
			struct in6_addr ip;
			u8 bits = prandom_u32_state(&rnd) % 129;

			random_addr(&rnd, &ip);
			if (ipv6_addr_v4mapped(&ip) && bits < 96)
				bits = 96 + bits % 33;
			kproxy_prefix_set(&list[n], &ip, bits,
					  prandom_u32_state(&rnd) & round & 1);
			for (j = 0; j < n; j++)
				if (list[j].bits == bits &&
				    ipv6_addr_equal(&list[j].addr, &list[n].addr))
					break;
			if (j < n) {
				n--;
				want--;
				continue;
			}
			if (list[n].allow)
				otherwise = false;
		}
		if (!n)
			continue;
		prefixes = kproxy_prefixes_new(list, n, &twice);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, prefixes);
		KUNIT_EXPECT_LE(test, prefixes->nr_ranges, 2 * n + 3);
		for (i = 0; i < 500; i++) {
			struct in6_addr ip;

			random_addr(&rnd, &ip);
			/* Also test the last address of a network. */
			if (i < n)
				ip = list[i].addr;
			for (j = i < n && (i & 1) ? list[i].bits : 128; j < 128; j++)
				ip.s6_addr[j / 8] |= 0x80 >> (j % 8);
			addr.v6.sin6_family = AF_INET6;
			addr.v6.sin6_addr = ip;
			KUNIT_EXPECT_EQ_MSG(test,
					    kproxy_prefixes_allow(prefixes, &addr),
					    longest(list, n, otherwise, &ip),
					    "%pI6 among %d", &ip, n);
		}
		kproxy_prefixes_free(prefixes);
	}
}

static struct kunit_case prefixes_cases[] = {
	KUNIT_CASE(only_denied_networks_are_shut_out),
	KUNIT_CASE(only_allowed_networks_are_let_in),
	KUNIT_CASE(longest_prefix_wins_in_any_order),
	KUNIT_CASE(all_of_one_family_says_nothing_of_the_other),
	KUNIT_CASE(a_network_that_stands_there_twice_is_refused),
	KUNIT_CASE(any_list_says_what_a_search_by_hand_says),
	{}
};

static struct kunit_suite prefixes_suite = {
	.name = "kproxy_prefixes",
	.test_cases = prefixes_cases,
};

kunit_test_suite(prefixes_suite);
