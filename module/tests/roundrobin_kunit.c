// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>

#include "../roundrobin.h"

#define ENTRIES 8

struct fixture {
	struct kproxy_roundrobin rr;
	struct kproxy_roundrobin_entry entries[ENTRIES];
	unsigned int turns[ENTRIES];
};

static int fixture_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	kproxy_roundrobin_init(&f->rr);
	test->priv = f;
	return 0;
}

static int pick(struct fixture *f)
{
	struct kproxy_roundrobin_entry *entry =
		kproxy_roundrobin_pick(&f->rr);

	return entry ? entry - f->entries : -1;
}

static void take_turns(struct fixture *f, unsigned int n)
{
	memset(f->turns, 0, sizeof(f->turns));
	while (n--)
		f->turns[pick(f)]++;
}

static void empty_queue_has_no_turn(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, pick(test->priv), -1);
}

static void equal_weights_go_in_turn(struct kunit *test)
{
	struct fixture *f = test->priv;
	int i;

	for (i = 0; i < 3; i++)
		kproxy_roundrobin_set(&f->rr, &f->entries[i], 1);
	for (i = 0; i < 9; i++)
		KUNIT_EXPECT_EQ(test, pick(f), i % 3);
}

static void shares_are_exact_in_each_round(struct kunit *test)
{
	struct fixture *f = test->priv;
	int round, i;

	for (i = 0; i < 5; i++)
		kproxy_roundrobin_set(&f->rr, &f->entries[i], i + 1);
	for (round = 0; round < 100; round++) {
		take_turns(f, 15);
		for (i = 0; i < 5; i++)
			KUNIT_EXPECT_EQ(test, f->turns[i], i + 1);
	}
}

static void odd_weights_stay_within_one_turn(struct kunit *test)
{
	struct fixture *f = test->priv;

	kproxy_roundrobin_set(&f->rr, &f->entries[0], 251);
	kproxy_roundrobin_set(&f->rr, &f->entries[1], 5);
	take_turns(f, 256 * 100);
	KUNIT_EXPECT_GE(test, f->turns[1], 499);
	KUNIT_EXPECT_LE(test, f->turns[1], 501);
}

/* A heavy entry does not have all its turns at a stretch. */
static void turns_of_the_heavy_are_spread(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int stretch = 0, longest = 0, i;

	kproxy_roundrobin_set(&f->rr, &f->entries[0], 6);
	kproxy_roundrobin_set(&f->rr, &f->entries[1], 3);
	for (i = 0; i < 90; i++) {
		stretch = pick(f) == 0 ? stretch + 1 : 0;
		longest = max(longest, stretch);
	}
	KUNIT_EXPECT_LE(test, longest, 3);
}

static void weight_zero_gets_no_turn(struct kunit *test)
{
	struct fixture *f = test->priv;

	kproxy_roundrobin_set(&f->rr, &f->entries[0], 2);
	kproxy_roundrobin_set(&f->rr, &f->entries[1], 0);
	take_turns(f, 10);
	KUNIT_EXPECT_EQ(test, f->turns[0], 10);

	kproxy_roundrobin_set(&f->rr, &f->entries[0], 0);
	KUNIT_EXPECT_EQ(test, pick(f), -1);
}

static void newcomer_gets_its_share_and_no_more(struct kunit *test)
{
	struct fixture *f = test->priv;

	kproxy_roundrobin_set(&f->rr, &f->entries[0], 1);
	take_turns(f, 1000);
	kproxy_roundrobin_set(&f->rr, &f->entries[1], 1);
	take_turns(f, 100);
	KUNIT_EXPECT_GE(test, f->turns[1], 49);
	KUNIT_EXPECT_LE(test, f->turns[1], 51);
}

static void change_of_weight_changes_the_share(struct kunit *test)
{
	struct fixture *f = test->priv;

	kproxy_roundrobin_set(&f->rr, &f->entries[0], 1);
	kproxy_roundrobin_set(&f->rr, &f->entries[1], 1);
	take_turns(f, 10);
	kproxy_roundrobin_set(&f->rr, &f->entries[1], 3);
	take_turns(f, 400);
	KUNIT_EXPECT_GE(test, f->turns[1], 299);
	KUNIT_EXPECT_LE(test, f->turns[1], 301);
}

static struct kunit_case roundrobin_cases[] = {
	KUNIT_CASE(empty_queue_has_no_turn),
	KUNIT_CASE(equal_weights_go_in_turn),
	KUNIT_CASE(shares_are_exact_in_each_round),
	KUNIT_CASE(odd_weights_stay_within_one_turn),
	KUNIT_CASE(turns_of_the_heavy_are_spread),
	KUNIT_CASE(weight_zero_gets_no_turn),
	KUNIT_CASE(newcomer_gets_its_share_and_no_more),
	KUNIT_CASE(change_of_weight_changes_the_share),
	{}
};

static struct kunit_suite roundrobin_suite = {
	.name = "kproxy_roundrobin",
	.init = fixture_init,
	.test_cases = roundrobin_cases,
};

kunit_test_suite(roundrobin_suite);
