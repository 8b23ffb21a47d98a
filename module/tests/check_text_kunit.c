// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/string.h>

#include "../check-text.h"

/* Whether the first @len bytes of a reply match a pattern. */
static bool matches(struct kunit *test, const char *pattern, const char *reply,
		    unsigned int len)
{
	struct kproxy_check_text *text;
	char data[64];
	bool match;

	text = kproxy_check_text_new("sent", 4, pattern, strlen(pattern));
	KUNIT_ASSERT_NOT_NULL(test, text);
	memcpy(data, reply, len);
	match = kproxy_check_text_matches(text, data, len);
	kproxy_check_text_put(text);
	return match;
}

/* The length from which on a reply matches, after each byte; 0: never. */
static unsigned int matches_from(struct kunit *test, const char *pattern,
				 const char *reply, unsigned int len)
{
	unsigned int n, from = 0;

	for (n = 1; n <= len; n++)
		if (matches(test, pattern, reply, n) && !from)
			from = n;
		else if (from)
			KUNIT_EXPECT_TRUE(test, matches(test, pattern, reply, n));
	return from;
}

#define FROM(test, pattern, reply) \
	matches_from(test, pattern, reply, sizeof(reply) - 1)

static void the_beginning_counts(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FROM(test, "+PONG", "+PONG\r\nmore"), 5);
	KUNIT_EXPECT_EQ(test, FROM(test, "+PONG*", "+PONG\r\nmore"), 5);
	KUNIT_EXPECT_EQ(test, FROM(test, "+PONG", "-ERR\r\n"), 0);
	KUNIT_EXPECT_EQ(test, FROM(test, "*ready", "not yet, ready now"), 14);
	KUNIT_EXPECT_EQ(test, FROM(test, "HTTP/1.[01] [23]",
				   "HTTP/1.1 200 OK\r\n"), 10);
	KUNIT_EXPECT_EQ(test, FROM(test, "HTTP/1.[01] [23]",
				   "HTTP/1.1 503 No\r\n"), 0);
}

static void any_reply_matches_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FROM(test, "", "x"), 1);
	KUNIT_EXPECT_EQ(test, FROM(test, "", "\0"), 1);
}

static void zero_bytes_are_bytes(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FROM(test, "???\xff\n", "J\0\0\0\n8.0\0more"), 5);
	KUNIT_EXPECT_EQ(test, FROM(test, "*8.0?more", "J\0\0\0\n8.0\0more"), 13);
	KUNIT_EXPECT_EQ(test, FROM(test, "J", "\0J"), 0);
}

static void zero_bytes_of_a_pattern(struct kunit *test)
{
	struct kproxy_check_text *text;
	char reply[8] = "a\0b";

	text = kproxy_check_text_new(NULL, 0, "a\0b", 3);
	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_TRUE(test, kproxy_check_text_matches(text, reply, 3));
	memcpy(reply, "aXb", 3);
	KUNIT_EXPECT_FALSE(test, kproxy_check_text_matches(text, reply, 3));
	kproxy_check_text_put(text);
}

static void a_star_can_be_meant(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FROM(test, "\\*1", "*1"), 2);
	KUNIT_EXPECT_EQ(test, FROM(test, "\\*1", "x1"), 0);
}

static void a_pattern_is_complete(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, kproxy_check_text_is_pattern("", 0));
	KUNIT_EXPECT_TRUE(test, kproxy_check_text_is_pattern("a\\\\", 3));
	KUNIT_EXPECT_FALSE(test, kproxy_check_text_is_pattern("a\\", 2));
	KUNIT_EXPECT_FALSE(test, kproxy_check_text_is_pattern("\\\\\\", 3));
}

static void the_same_text_is_equal(struct kunit *test)
{
	struct kproxy_check_text *a, *b, *c;

	a = kproxy_check_text_new("ab", 2, "c", 1);
	b = kproxy_check_text_new("ab", 2, "c", 1);
	c = kproxy_check_text_new("a", 1, "bc", 2);
	KUNIT_ASSERT_TRUE(test, a && b && c);
	KUNIT_EXPECT_TRUE(test, kproxy_check_text_equal(a, b));
	KUNIT_EXPECT_FALSE(test, kproxy_check_text_equal(a, c));
	KUNIT_EXPECT_FALSE(test, kproxy_check_text_equal(a, NULL));
	KUNIT_EXPECT_TRUE(test, kproxy_check_text_equal(NULL, NULL));
	kproxy_check_text_put(a);
	kproxy_check_text_put(b);
	kproxy_check_text_put(c);
}

static struct kunit_case check_text_cases[] = {
	KUNIT_CASE(the_beginning_counts),
	KUNIT_CASE(any_reply_matches_nothing),
	KUNIT_CASE(zero_bytes_are_bytes),
	KUNIT_CASE(zero_bytes_of_a_pattern),
	KUNIT_CASE(a_star_can_be_meant),
	KUNIT_CASE(a_pattern_is_complete),
	KUNIT_CASE(the_same_text_is_equal),
	{}
};

static struct kunit_suite check_text_suite = {
	.name = "kproxy_check_text",
	.test_cases = check_text_cases,
};

kunit_test_suite(check_text_suite);
