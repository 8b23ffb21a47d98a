// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/inet.h>
#include <linux/string.h>

#include "../route.h"

/* In sorted order. */
static const char *const patterns[] = {
	"*.a.example.com", "*.com", "*.example.com", "example.com",
	"www.a.example.com", "xn--bcher-kva.example",
};

static const union kproxy_addr nobody = { .v4 = { .sin_family = AF_INET } };

static struct kproxy_routes *routes_of(struct kunit *test,
				       const struct kproxy_route_key *keys,
				       unsigned int n)
{
	struct kproxy_routes *routes;
	struct kproxy_route *route;
	unsigned int i, place, j;

	routes = kunit_kzalloc(test, struct_size(routes, route, n), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, routes);
	for (i = 0; i < n; i++) {
		route = kunit_kzalloc(test, sizeof(*route), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, route);
		route->key = keys[i];
		place = kproxy_route_place(routes, &keys[i]);
		routes->n = i + 1;
		for (j = i; j > place; j--)
			routes->route[j] = routes->route[j - 1];
		routes->route[place] = route;
	}
	return routes;
}

static struct kproxy_routes *table(struct kunit *test)
{
	struct kproxy_route_key *keys;
	unsigned int i;

	keys = kunit_kcalloc(test, ARRAY_SIZE(patterns), sizeof(*keys),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, keys);
	for (i = 0; i < ARRAY_SIZE(patterns); i++)
		strscpy(keys[i].sni, patterns[i]);
	return routes_of(test, keys, ARRAY_SIZE(patterns));
}

/* The route of a client that is only known by its name. */
static struct kproxy_route *match_name(const struct kproxy_routes *routes,
				       const char *name)
{
	const struct kproxy_route_client client = {
		.sni = name,
		.alpn = "",
		.from = &nobody,
	};

	return kproxy_route_match(routes, &client);
}

static void set_v4(union kproxy_addr *addr, const char *text)
{
	memset(addr, 0, sizeof(*addr));
	addr->v4.sin_family = AF_INET;
	in4_pton(text, -1, (u8 *)&addr->v4.sin_addr, -1, NULL);
}

/* The table of the criteria, each alone and with others; see cases below. */
static void key_of(struct kproxy_route_key *key, const char *sni,
		   const char *alpn, const char *from, unsigned int len,
		   u16 port)
{
	union kproxy_addr addr;

	memset(key, 0, sizeof(*key));
	strscpy(key->sni, sni, sizeof(key->sni));
	strscpy(key->alpn, alpn, sizeof(key->alpn));
	key->port = port;
	if (!from)
		return;
	set_v4(&addr, from);
	kproxy_route_set_from(key, &addr, len);
}

static void the_most_specific_route_counts(struct kunit *test)
{
	/* From the least to the most specific. */
	static const struct {
		const char *sni;
		const char *alpn;
		const char *from;
		unsigned int len;
		u16 port;
	} list[] = {
		{ "", "", NULL, 0, 443 },
		{ "", "", "10.0.0.0", 8, 0 },
		{ "", "", "10.0.0.0", 8, 443 },
		{ "", "", "10.1.0.0", 16, 0 },
		{ "", "http/1.1", NULL, 0, 0 },
		{ "", "h2", NULL, 0, 0 },
		{ "", "h2", NULL, 0, 443 },
		{ "", "h2", "10.1.0.0", 16, 0 },
		{ "*.com", "", NULL, 0, 0 },
		{ "*.com", "h2", "10.1.2.3", 32, 443 },
		{ "*.b.com", "", NULL, 0, 443 },
		{ "a.b.com", "", NULL, 0, 0 },
		{ "a.b.com", "", NULL, 0, 443 },
		{ "a.b.com", "", "10.0.0.0", 8, 0 },
		{ "a.b.com", "http/1.1", NULL, 0, 0 },
		{ "a.b.com", "h2", NULL, 0, 0 },
		{ "a.b.com", "h2", "10.1.2.3", 32, 443 },
	};
	struct kproxy_route_key *keys;
	struct kproxy_route_client client = {
		.sni = "a.b.com",
		.alpn = "\2h2\10http/1.1",
		.port = 443,
	};
	const struct kproxy_route *route;
	struct kproxy_routes *routes;
	union kproxy_addr addr;
	unsigned int i, n;

	set_v4(&addr, "10.1.2.3");
	client.from = &addr;
	keys = kunit_kcalloc(test, ARRAY_SIZE(list), sizeof(*keys), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, keys);
	for (i = 0; i < ARRAY_SIZE(list); i++)
		key_of(&keys[i], list[i].sni, list[i].alpn, list[i].from,
		       list[i].len, list[i].port);
	/* All match; of the first ones, the last wins. */
	for (n = 1; n <= ARRAY_SIZE(list); n++) {
		routes = routes_of(test, keys, n);
		route = kproxy_route_match(routes, &client);
		KUNIT_ASSERT_NOT_NULL(test, route);
		KUNIT_EXPECT_EQ_MSG(test, 0,
				    kproxy_route_compare(&route->key,
							 &keys[n - 1]),
				    "%u routes", n);
	}
}

static void every_criterion_must_match(struct kunit *test)
{
	struct kproxy_route_client client = {
		.sni = "a.com",
		.alpn = "\2h2",
		.port = 443,
	};
	struct kproxy_routes *routes;
	struct kproxy_route_key key;
	union kproxy_addr addr, other;

	set_v4(&addr, "10.1.2.3");
	set_v4(&other, "11.1.2.3");
	key_of(&key, "a.com", "h2", "10.0.0.0", 8, 443);
	routes = routes_of(test, &key, 1);
	client.from = &addr;
	KUNIT_EXPECT_NOT_NULL(test, kproxy_route_match(routes, &client));
	client.sni = "b.com";
	KUNIT_EXPECT_NULL(test, kproxy_route_match(routes, &client));
	client.sni = "a.com";
	client.alpn = "\2h3\3h2c\1h";
	KUNIT_EXPECT_NULL(test, kproxy_route_match(routes, &client));
	client.alpn = "";
	KUNIT_EXPECT_NULL(test, kproxy_route_match(routes, &client));
	client.alpn = "\10http/1.1\2h2";
	client.port = 444;
	KUNIT_EXPECT_NULL(test, kproxy_route_match(routes, &client));
	client.port = 443;
	client.from = &other;
	KUNIT_EXPECT_NULL(test, kproxy_route_match(routes, &client));
	client.from = &addr;
	KUNIT_EXPECT_NOT_NULL(test, kproxy_route_match(routes, &client));
}

static void a_network_is_shown_as_it_was_set(struct kunit *test)
{
	static const struct {
		const char *from;
		unsigned int len;
		const char *shown;
	} cases[] = {
		{ "10.1.2.3", 8, "10.0.0.0" }, { "10.1.2.3", 32, "10.1.2.3" },
		{ "0.0.0.0", 0, "0.0.0.0" },
	};
	struct kproxy_route_key key;
	union kproxy_addr addr, want;
	unsigned int len;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		key_of(&key, "", "", cases[i].from, cases[i].len, 0);
		kproxy_route_get_from(&key, &addr, &len);
		set_v4(&want, cases[i].shown);
		KUNIT_EXPECT_EQ(test, len, cases[i].len);
		KUNIT_EXPECT_TRUE(test, kproxy_addr_equal(&addr, &want));
	}
}

static void name_goes_before_its_longest_end(struct kunit *test)
{
	static const struct {
		const char *name;
		const char *pattern;
	} cases[] = {
		{ "example.com", "example.com" },
		{ "www.example.com", "*.example.com" },
		{ "a.example.com", "*.example.com" },
		{ "x.a.example.com", "*.a.example.com" },
		{ "y.x.a.example.com", "*.a.example.com" },
		{ "www.a.example.com", "www.a.example.com" },
		{ "b.www.a.example.com", "*.a.example.com" },
		{ "xexample.com", "*.com" },
		{ "com", NULL },
		{ ".com", NULL },
		{ "example.com.", NULL },
		{ "example.org", NULL },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "www.xn--bcher-kva.example", NULL },
		{ "*.com", "*.com" },
		{ "", NULL },
		{ ".", NULL },
		{ "a..com", "*.com" },
	};
	struct kproxy_routes *routes = table(test);
	const struct kproxy_route *route;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		route = match_name(routes, cases[i].name);
		KUNIT_EXPECT_EQ_MSG(test, !route, !cases[i].pattern, "%s",
				    cases[i].name);
		if (route && cases[i].pattern)
			KUNIT_EXPECT_STREQ(test, route->key.sni, cases[i].pattern);
	}
}

static void without_routes_nothing_matches(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, match_name(NULL, "example.com"));
}

static void patterns_are_names_perhaps_with_a_star(struct kunit *test)
{
	static const struct {
		const char *text;
		const char *pattern;
	} cases[] = {
		{ "example.com", "example.com" },
		{ "WWW.Example.COM", "www.example.com" },
		{ "*.Example.com", "*.example.com" },
		{ "*.com", "*.com" },
		{ "localhost", "localhost" },
		{ "_a-1.b", "_a-1.b" },
		{ "", NULL },
		{ "*", NULL },
		{ "*.", NULL },
		{ ".", NULL },
		{ ".com", NULL },
		{ "a.", NULL },
		{ "a..b", NULL },
		{ "*.*.a", NULL },
		{ "a.*.b", NULL },
		{ "*a.b", NULL },
		{ "a b", NULL },
		{ "\xc3\xbc.example", NULL },
	};
	char pattern[KPROXY_SNI_MAX + 1];
	bool good;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		good = kproxy_route_pattern(pattern, cases[i].text);
		KUNIT_EXPECT_EQ_MSG(test, good, !!cases[i].pattern, "%s",
				    cases[i].text);
		if (good)
			KUNIT_EXPECT_STREQ(test, pattern, cases[i].pattern);
	}
}

static struct kunit_case route_cases[] = {
	KUNIT_CASE(name_goes_before_its_longest_end),
	KUNIT_CASE(without_routes_nothing_matches),
	KUNIT_CASE(the_most_specific_route_counts),
	KUNIT_CASE(every_criterion_must_match),
	KUNIT_CASE(a_network_is_shown_as_it_was_set),
	KUNIT_CASE(patterns_are_names_perhaps_with_a_star),
	{}
};

static struct kunit_suite route_suite = {
	.name = "kproxy_route",
	.test_cases = route_cases,
};

kunit_test_suite(route_suite);
