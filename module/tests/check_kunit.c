// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>

#include "../check.h"

#define RISE 2
#define FALL 3

/* Apply results, + for success, and check the resulting health. */
static void expect_health(struct kunit *test, struct kproxy_check *check,
			  const char *results, enum kproxy_health health)
{
	for (; *results; results++)
		kproxy_check_judge(check, *results == '+', RISE, FALL);
	KUNIT_EXPECT_EQ(test, check->health, health);
}

static void the_first_result_decides(struct kunit *test)
{
	struct kproxy_check one = {}, other = {};

	KUNIT_EXPECT_EQ(test, one.health, KPROXY_HEALTH_UNKNOWN);
	expect_health(test, &one, "+", KPROXY_HEALTH_UP);
	expect_health(test, &other, "-", KPROXY_HEALTH_DOWN);
}

static void one_that_is_up_falls_after_so_many(struct kunit *test)
{
	struct kproxy_check check = {};

	expect_health(test, &check, "+--", KPROXY_HEALTH_UP);
	expect_health(test, &check, "-", KPROXY_HEALTH_DOWN);
}

static void one_that_is_down_rises_after_so_many(struct kunit *test)
{
	struct kproxy_check check = {};

	expect_health(test, &check, "-+", KPROXY_HEALTH_DOWN);
	expect_health(test, &check, "+", KPROXY_HEALTH_UP);
}

static void only_results_in_a_row_count(struct kunit *test)
{
	struct kproxy_check check = {};

	expect_health(test, &check, "+--+--+--+", KPROXY_HEALTH_UP);
	expect_health(test, &check, "---+-+-+-", KPROXY_HEALTH_DOWN);
}

static void a_change_is_told_once(struct kunit *test)
{
	struct kproxy_check check = {};

	KUNIT_EXPECT_TRUE(test, kproxy_check_judge(&check, false, RISE, FALL));
	KUNIT_EXPECT_FALSE(test, kproxy_check_judge(&check, false, RISE, FALL));
	KUNIT_EXPECT_FALSE(test, kproxy_check_judge(&check, true, RISE, FALL));
	KUNIT_EXPECT_TRUE(test, kproxy_check_judge(&check, true, RISE, FALL));
	KUNIT_EXPECT_FALSE(test, kproxy_check_judge(&check, true, RISE, FALL));
}

static struct kunit_case check_cases[] = {
	KUNIT_CASE(the_first_result_decides),
	KUNIT_CASE(one_that_is_up_falls_after_so_many),
	KUNIT_CASE(one_that_is_down_rises_after_so_many),
	KUNIT_CASE(only_results_in_a_row_count),
	KUNIT_CASE(a_change_is_told_once),
	{}
};

static struct kunit_suite check_suite = {
	.name = "kproxy_check",
	.test_cases = check_cases,
};

kunit_test_suite(check_suite);
