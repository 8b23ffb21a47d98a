// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/sizes.h>

#include "../coalesce.h"

/* A window too large to be a limit. */
#define WINDOW SZ_4M

/* A start time at which the clock wraps during the tests. */
#define BEGIN (U32_MAX - 1000)

struct stream {
	struct kproxy_coalesce coalesce;
	u64 moved;
	u32 now;
};

static void stream_begin(struct stream *s)
{
	memset(s, 0, sizeof(*s));
	kproxy_coalesce_init(&s->coalesce);
	s->now = BEGIN;
	s->coalesce.begun = BEGIN;
}

/* Move @bytes in packets of 64 KiB, one every @us microseconds. */
static void stream_move(struct stream *s, u64 bytes, u32 us, u32 window)
{
	while (bytes) {
		bytes -= SZ_64K;
		s->moved += SZ_64K;
		s->now += us;
		kproxy_coalesce_moved(&s->coalesce, s->moved, s->now, window);
	}
}

static void a_stream_begins_without_being_held(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
	stream_move(&s, SZ_2M - SZ_64K, 1, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
}

static void a_fast_stream_that_goes_on_is_held(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_2M, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
	/* Twice the time of eight packets. */
	KUNIT_EXPECT_EQ(test, s.coalesce.us, 2 * 8 * 20);
}

static void a_slow_stream_is_never_held(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_64M, 1001, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
}

static void what_is_held_should_come_in_two_milliseconds(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_4M, 250, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
	KUNIT_EXPECT_EQ(test, s.coalesce.us, 4000);
	stream_move(&s, SZ_4M, 500, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_256K);
	KUNIT_EXPECT_EQ(test, s.coalesce.us, 4000);
}

static void a_stream_that_slows_down_is_held_no_more(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_8M, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
	stream_move(&s, SZ_1M, 1100, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
	stream_move(&s, SZ_1M, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
}

static void half_of_the_window_is_the_most(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_4M, 20, SZ_512K);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_256K);
	stream_move(&s, SZ_4M, 20, SZ_256K);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_128K);
	stream_move(&s, SZ_4M, 20, SZ_256K - 2);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
}

static void bytes_of_one_moment_have_a_timer_all_the_same(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_4M, 0, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
	KUNIT_EXPECT_GT(test, s.coalesce.us, 0);
}

static void each_time_in_vain_takes_twice_the_bytes(struct kunit *test)
{
	u64 want = SZ_2M;
	struct stream s;
	int i;

	stream_begin(&s);
	for (i = 0; i < 10; i++) {
		stream_move(&s, want - SZ_512K, 20, WINDOW);
		KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
		stream_move(&s, SZ_512K, 20, WINDOW);
		KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
		kproxy_coalesce_in_vain(&s.coalesce, 0, s.moved, s.now);
		KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
		want = min(2 * want, SZ_256M);
	}
}

static void a_time_in_vain_after_long_is_forgiven(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_2M, 20, WINDOW);
	kproxy_coalesce_in_vain(&s.coalesce, 0, s.moved, s.now);
	stream_move(&s, SZ_4M, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
	stream_move(&s, SZ_16M, 20, WINDOW);
	kproxy_coalesce_in_vain(&s.coalesce, 0, s.moved, s.now);
	stream_move(&s, SZ_2M - SZ_512K, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
	stream_move(&s, SZ_512K, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
}

static void of_what_came_a_little_less_is_held(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_2M, 20, WINDOW);
	kproxy_coalesce_in_vain(&s.coalesce, SZ_256K, s.moved, s.now);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_256K - SZ_32K);
	stream_move(&s, SZ_4M - SZ_512K, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_256K - SZ_32K);
	/* After twice the bytes, the maximum again. */
	stream_move(&s, SZ_512K, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
}

static void less_in_vain_while_little_is_held(struct kunit *test)
{
	struct stream s;

	stream_begin(&s);
	stream_move(&s, SZ_2M, 20, WINDOW);
	kproxy_coalesce_in_vain(&s.coalesce, SZ_256K, s.moved, s.now);
	stream_move(&s, SZ_1M, 20, WINDOW);
	kproxy_coalesce_in_vain(&s.coalesce, SZ_128K, s.moved, s.now);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
	/* That was soon, so the threshold doubles again. */
	stream_move(&s, SZ_8M - SZ_512K, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, 0);
	stream_move(&s, SZ_512K, 20, WINDOW);
	KUNIT_EXPECT_EQ(test, s.coalesce.bytes, SZ_512K);
}

static struct kunit_case coalesce_cases[] = {
	KUNIT_CASE(a_stream_begins_without_being_held),
	KUNIT_CASE(a_fast_stream_that_goes_on_is_held),
	KUNIT_CASE(a_slow_stream_is_never_held),
	KUNIT_CASE(what_is_held_should_come_in_two_milliseconds),
	KUNIT_CASE(a_stream_that_slows_down_is_held_no_more),
	KUNIT_CASE(half_of_the_window_is_the_most),
	KUNIT_CASE(bytes_of_one_moment_have_a_timer_all_the_same),
	KUNIT_CASE(each_time_in_vain_takes_twice_the_bytes),
	KUNIT_CASE(a_time_in_vain_after_long_is_forgiven),
	KUNIT_CASE(of_what_came_a_little_less_is_held),
	KUNIT_CASE(less_in_vain_while_little_is_held),
	{}
};

static struct kunit_suite coalesce_suite = {
	.name = "kproxy_coalesce",
	.test_cases = coalesce_cases,
};

kunit_test_suite(coalesce_suite);
