// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/string.h>

#include "../route.h"

/* In sorted order. */
static const char *const patterns[] = {
	"*.a.example.com", "*.com", "*.example.com", "example.com",
	"www.a.example.com", "xn--bcher-kva.example",
};

static struct kproxy_routes *table(struct kunit *test)
{
	unsigned int n = ARRAY_SIZE(patterns), i;
	struct kproxy_routes *routes;

	routes = kunit_kzalloc(test, struct_size(routes, route, n), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, routes);
	routes->n = n;
	for (i = 0; i < n; i++) {
		routes->route[i] = kunit_kzalloc(test,
						 sizeof(*routes->route[i]),
						 GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, routes->route[i]);
		strscpy(routes->route[i]->sni, patterns[i],
			sizeof(routes->route[i]->sni));
	}
	return routes;
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
		route = kproxy_route_match(routes, cases[i].name);
		KUNIT_EXPECT_EQ_MSG(test, !route, !cases[i].pattern, "%s",
				    cases[i].name);
		if (route && cases[i].pattern)
			KUNIT_EXPECT_STREQ(test, route->sni, cases[i].pattern);
	}
}

static void without_routes_nothing_matches(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, kproxy_route_match(NULL, "example.com"));
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
	KUNIT_CASE(patterns_are_names_perhaps_with_a_star),
	{}
};

static struct kunit_suite route_suite = {
	.name = "kproxy_route",
	.test_cases = route_cases,
};

kunit_test_suite(route_suite);
