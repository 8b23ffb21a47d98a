// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "../sample.h"

/* A start time at which jiffies wraps during the tests. */
#define BEGIN (ULONG_MAX - HZ / 2)

static void a_burst_is_logged_and_then_one_in_each_period(struct kunit *test)
{
	struct kproxy_sample sample = {};
	unsigned long now = BEGIN;
	u32 omitted, i, period;

	for (i = 0; i < KPROXY_SAMPLE_BURST; i++) {
		KUNIT_EXPECT_TRUE(test,
				  kproxy_sample_refused(&sample, now, &omitted));
		KUNIT_EXPECT_EQ(test, omitted, 0);
	}
	for (period = 0; period < 10; period++) {
		for (i = 0; i < 7; i++)
			KUNIT_EXPECT_FALSE(test,
					   kproxy_sample_refused(&sample, now,
								 &omitted));
		now += KPROXY_SAMPLE_PERIOD;
		KUNIT_EXPECT_TRUE(test,
				  kproxy_sample_refused(&sample, now, &omitted));
		KUNIT_EXPECT_EQ(test, omitted, 7);
	}
}

static void a_pause_gives_the_burst_back(struct kunit *test)
{
	struct kproxy_sample sample = {};
	unsigned long now = BEGIN;
	u32 omitted, i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < KPROXY_SAMPLE_BURST; i++)
			KUNIT_EXPECT_TRUE(test,
					  kproxy_sample_refused(&sample, now,
								&omitted));
		KUNIT_EXPECT_FALSE(test,
				   kproxy_sample_refused(&sample, now, &omitted));
		now += KPROXY_SAMPLE_BURST * KPROXY_SAMPLE_PERIOD;
	}
}

static void each_is_logged_or_counted(struct kunit *test)
{
	u32 omitted, logged = 0, counted = 0, n = 0;
	struct kproxy_sample sample = {};
	unsigned long now;

	/* At a rate that divides no period. */
	for (now = BEGIN; n < 10000; now += 1 + n % 3, n++) {
		if (!kproxy_sample_refused(&sample, now, &omitted))
			continue;
		logged++;
		counted += omitted;
	}
	KUNIT_EXPECT_EQ(test, logged + counted + sample.omitted, n);
	KUNIT_EXPECT_LE(test, logged, KPROXY_SAMPLE_BURST + 1 +
				      (now - BEGIN) / KPROXY_SAMPLE_PERIOD);
}

static void one_of_so_many_sessions_is_logged(struct kunit *test)
{
	struct kproxy_sample sample = {};
	u32 omitted, i, n = 0;

	for (i = 0; i < 1000; i++) {
		if (!kproxy_sample_session(&sample, 10, &omitted))
			continue;
		KUNIT_EXPECT_EQ(test, omitted, 9);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, 100);
}

static void a_new_share_counts_what_was_left_out(struct kunit *test)
{
	struct kproxy_sample sample = {};
	u32 omitted, i;

	for (i = 0; i < 500; i++)
		KUNIT_EXPECT_FALSE(test, kproxy_sample_session(&sample, 1000,
							       &omitted));
	KUNIT_EXPECT_TRUE(test, kproxy_sample_session(&sample, 1, &omitted));
	KUNIT_EXPECT_EQ(test, omitted, 500);
	KUNIT_EXPECT_TRUE(test, kproxy_sample_session(&sample, 1, &omitted));
	KUNIT_EXPECT_EQ(test, omitted, 0);
}

static struct kunit_case sample_cases[] = {
	KUNIT_CASE(a_burst_is_logged_and_then_one_in_each_period),
	KUNIT_CASE(a_pause_gives_the_burst_back),
	KUNIT_CASE(each_is_logged_or_counted),
	KUNIT_CASE(one_of_so_many_sessions_is_logged),
	KUNIT_CASE(a_new_share_counts_what_was_left_out),
	{}
};

static struct kunit_suite sample_suite = {
	.name = "kproxy_sample",
	.test_cases = sample_cases,
};

kunit_test_suite(sample_suite);
