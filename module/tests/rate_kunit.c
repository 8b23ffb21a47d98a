// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "../rate.h"

/* A start time at which jiffies wraps during the tests. */
#define BEGIN (ULONG_MAX - HZ / 2)

/* How many are counted from @from until before @until, if always trying. */
static unsigned int count(struct kproxy_rate *rate, u32 limit,
			  unsigned long from, unsigned long until)
{
	unsigned int n = 0;

	for (; time_before(from, until); from++)
		while (!kproxy_rate_take(rate, limit, from))
			n++;
	return n;
}

static void a_seconds_worth_may_come_at_once(struct kunit *test)
{
	struct kproxy_rate rate;

	kproxy_rate_init(&rate, BEGIN);
	KUNIT_EXPECT_EQ(test, count(&rate, 10, BEGIN, BEGIN + 1), 10);
	KUNIT_EXPECT_EQ(test, count(&rate, 10, BEGIN + 1, BEGIN + HZ), 0);
}

static void later_ones_come_evenly(struct kunit *test)
{
	unsigned long now = BEGIN;
	struct kproxy_rate rate;
	int second, tenth;

	kproxy_rate_init(&rate, now);
	count(&rate, 10, now, now + HZ);
	for (second = 1; second < 5; second++)
		for (tenth = 0; tenth < 10; tenth++) {
			unsigned long from = BEGIN + second * HZ + tenth * HZ / 10;

			KUNIT_EXPECT_LE(test, count(&rate, 10, from + 1,
						    from + HZ / 10 + 1), 2);
		}
}

static void no_second_has_more_than_its_limit(struct kunit *test)
{
	static const u32 limits[] = { 1, 2, 7, 100, 1000, 100000 };
	struct kproxy_rate rate;
	int i, second;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		kproxy_rate_init(&rate, BEGIN);
		for (second = 0; second < 10; second++) {
			unsigned long from = BEGIN + second * HZ;
			unsigned int n = count(&rate, limits[i], from, from + HZ);

			KUNIT_EXPECT_LE(test, n, limits[i]);
			/* And not many fewer. */
			KUNIT_EXPECT_GE(test, n, limits[i] - limits[i] / 10 - 1);
		}
	}
}

static void the_wait_that_is_named_is_enough_and_not_too_long(struct kunit *test)
{
	static const u32 limits[] = { 1, 3, 10, 250, 5000 };
	struct kproxy_rate rate;
	int i, n;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		unsigned long now = BEGIN;

		kproxy_rate_init(&rate, now);
		for (n = 0; n < 3 * limits[i]; n++) {
			unsigned long wait = kproxy_rate_take(&rate, limits[i], now);

			if (!wait)
				continue;
			KUNIT_EXPECT_LE(test, wait, 2 * HZ);
			if (wait > 1)
				KUNIT_EXPECT_NE(test, 0,
						kproxy_rate_take(&rate, limits[i],
								 now + wait - 1));
			now += wait;
			KUNIT_EXPECT_EQ(test, 0,
					kproxy_rate_take(&rate, limits[i], now));
		}
	}
}

static void a_pause_forgets_what_was(struct kunit *test)
{
	struct kproxy_rate rate;

	kproxy_rate_init(&rate, BEGIN);
	count(&rate, 5, BEGIN, BEGIN + 1);
	KUNIT_EXPECT_EQ(test, 5, count(&rate, 5, BEGIN + 2 * HZ,
				       BEGIN + 2 * HZ + 1));
}

static void a_lower_limit_counts_what_was(struct kunit *test)
{
	struct kproxy_rate rate;

	kproxy_rate_init(&rate, BEGIN);
	count(&rate, 1000, BEGIN, BEGIN + 1);
	KUNIT_EXPECT_NE(test, 0, kproxy_rate_take(&rate, 10, BEGIN + 1));
	KUNIT_EXPECT_LE(test, kproxy_rate_take(&rate, 10, BEGIN + 1), 2 * HZ);
}

static void an_earlier_time_forgets_nothing(struct kunit *test)
{
	struct kproxy_rate rate;

	kproxy_rate_init(&rate, BEGIN);
	count(&rate, 4, BEGIN, BEGIN + HZ + 1);
	KUNIT_EXPECT_NE(test, 0, kproxy_rate_take(&rate, 4, BEGIN + HZ - 1));
	KUNIT_EXPECT_NE(test, 0, kproxy_rate_take(&rate, 4, BEGIN + HZ));
}

static void what_is_given_back_may_be_taken_again(struct kunit *test)
{
	struct kproxy_rate rate;

	kproxy_rate_init(&rate, BEGIN);
	count(&rate, 3, BEGIN, BEGIN + 1);
	kproxy_rate_give_back(&rate);
	KUNIT_EXPECT_EQ(test, 1, count(&rate, 3, BEGIN + 1, BEGIN + 2));
	kproxy_rate_init(&rate, BEGIN);
	kproxy_rate_give_back(&rate);
	KUNIT_EXPECT_EQ(test, 3, count(&rate, 3, BEGIN, BEGIN + 1));
}

static struct kunit_case rate_cases[] = {
	KUNIT_CASE(a_seconds_worth_may_come_at_once),
	KUNIT_CASE(later_ones_come_evenly),
	KUNIT_CASE(no_second_has_more_than_its_limit),
	KUNIT_CASE(the_wait_that_is_named_is_enough_and_not_too_long),
	KUNIT_CASE(a_pause_forgets_what_was),
	KUNIT_CASE(a_lower_limit_counts_what_was),
	KUNIT_CASE(an_earlier_time_forgets_nothing),
	KUNIT_CASE(what_is_given_back_may_be_taken_again),
	{}
};

static struct kunit_suite rate_suite = {
	.name = "kproxy_rate",
	.test_cases = rate_cases,
};

kunit_test_suite(rate_suite);
