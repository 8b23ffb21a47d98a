// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>

#include "../histogram.h"

/* Upper bound of a bucket, as specified. */
static u64 bound(unsigned int bucket)
{
	u64 power = (u64)KPROXY_HISTOGRAM_FIRST << (bucket / 2);

	return bucket % 2 ? power + power / 2 : power;
}

static void each_bucket_ends_where_the_next_begins(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS - 1; i++) {
		KUNIT_EXPECT_EQ(test, kproxy_histogram_bucket(bound(i) - 1), i);
		KUNIT_EXPECT_EQ(test, kproxy_histogram_bucket(bound(i)), i + 1);
	}
}

static void the_first_and_the_last_take_the_rest(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kproxy_histogram_bucket(0), 0);
	KUNIT_EXPECT_EQ(test, kproxy_histogram_bucket(U64_MAX),
			KPROXY_HISTOGRAM_BUCKETS - 1);
}

static void what_is_counted_is_in_the_sum(struct kunit *test)
{
	struct kproxy_histograms_slot __percpu *slots = kproxy_histograms_new();
	struct kproxy_histogram sum;

	KUNIT_ASSERT_NOT_NULL(test, slots);
	KUNIT_EXPECT_FALSE(test, kproxy_histograms_sum(slots,
						       KPROXY_TIME_CONNECT,
						       &sum));
	kproxy_histograms_add(slots, KPROXY_TIME_CONNECT, 10);
	kproxy_histograms_add(slots, KPROXY_TIME_CONNECT, 100);
	kproxy_histograms_add(slots, KPROXY_TIME_CONNECT, 101);
	KUNIT_EXPECT_TRUE(test, kproxy_histograms_sum(slots,
						      KPROXY_TIME_CONNECT,
						      &sum));
	KUNIT_EXPECT_EQ(test, sum.sum_us, 211);
	KUNIT_EXPECT_EQ(test, sum.buckets[0], 1);
	KUNIT_EXPECT_EQ(test, sum.buckets[2], 2);
	KUNIT_EXPECT_FALSE(test, kproxy_histograms_sum(slots,
						       KPROXY_TIME_SESSION,
						       &sum));
	kproxy_histograms_free(slots);
}

static struct kunit_case histogram_cases[] = {
	KUNIT_CASE(each_bucket_ends_where_the_next_begins),
	KUNIT_CASE(the_first_and_the_last_take_the_rest),
	KUNIT_CASE(what_is_counted_is_in_the_sum),
	{}
};

static struct kunit_suite histogram_suite = {
	.name = "kproxy_histograms",
	.test_cases = histogram_cases,
};

kunit_test_suite(histogram_suite);

MODULE_LICENSE("GPL");
