// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/bits.h>

#include "../listener.h"
#include "../option.h"
#include "../server.h"
#include "../upstream.h"

struct some_options {
	u32 first;
	u32 no_row;
	u32 last;
};

static const struct kproxy_option some_table[] = {
	KPROXY_OPTION(1, struct some_options, first, 7),
	KPROXY_OPTION(2, struct some_options, last, 0, .restarts = BIT(3)),
	KPROXY_OPTION_END
};

static void only_rows_get_their_default(struct kunit *test)
{
	struct some_options options = { .first = 1, .no_row = 2, .last = 3 };

	kproxy_options_init(some_table, &options);
	KUNIT_EXPECT_EQ(test, options.first, 7);
	KUNIT_EXPECT_EQ(test, options.no_row, 2);
	KUNIT_EXPECT_EQ(test, options.last, 0);
}

static void only_rows_are_published(struct kunit *test)
{
	const struct some_options options = { .first = 4, .no_row = 5, .last = 6 };
	struct some_options live = { .first = 1, .no_row = 2, .last = 3 };

	kproxy_options_publish(some_table, &live, &options);
	KUNIT_EXPECT_EQ(test, live.first, 4);
	KUNIT_EXPECT_EQ(test, live.no_row, 2);
	KUNIT_EXPECT_EQ(test, live.last, 6);
}

static void a_row_is_of_one_field(struct kunit *test)
{
	struct some_options options = {};

	kproxy_option_set(&some_table[1], &options, U32_MAX);
	KUNIT_EXPECT_EQ(test, options.no_row, 0);
	KUNIT_EXPECT_EQ(test, options.last, U32_MAX);
	KUNIT_EXPECT_EQ(test, kproxy_option_get(&some_table[1], &options),
			U32_MAX);
	KUNIT_EXPECT_EQ(test, kproxy_option_get(&some_table[0], &options), 0);
}

static void a_change_restarts_what_its_row_says(struct kunit *test)
{
	const struct some_options from = {}, first = { .first = 1 };
	const struct some_options last = { .last = 1 }, other = { .no_row = 1 };

	KUNIT_EXPECT_EQ(test, kproxy_options_restart(some_table, &from, &from), 0);
	KUNIT_EXPECT_EQ(test, kproxy_options_restart(some_table, &from, &first), 0);
	KUNIT_EXPECT_EQ(test, kproxy_options_restart(some_table, &from, &other), 0);
	KUNIT_EXPECT_EQ(test, kproxy_options_restart(some_table, &from, &last),
			BIT(3));
}

static void expect_distinct(struct kunit *test, const struct kproxy_option *table)
{
	const struct kproxy_option *a, *b;

	for (a = table; a->attr; a++)
		for (b = table; b < a; b++) {
			KUNIT_EXPECT_NE(test, a->attr, b->attr);
			KUNIT_EXPECT_NE(test, a->offset, b->offset);
		}
}

static void no_attribute_or_field_has_two_rows(struct kunit *test)
{
	expect_distinct(test, kproxy_listener_numbers);
	expect_distinct(test, kproxy_upstream_numbers);
	expect_distinct(test, kproxy_server_numbers);
}

static struct kunit_case option_cases[] = {
	KUNIT_CASE(only_rows_get_their_default),
	KUNIT_CASE(only_rows_are_published),
	KUNIT_CASE(a_row_is_of_one_field),
	KUNIT_CASE(a_change_restarts_what_its_row_says),
	KUNIT_CASE(no_attribute_or_field_has_two_rows),
	{}
};

static struct kunit_suite option_suite = {
	.name = "kproxy_option",
	.test_cases = option_cases,
};

kunit_test_suite(option_suite);

MODULE_LICENSE("GPL");
