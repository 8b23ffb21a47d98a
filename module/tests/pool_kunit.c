// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/workqueue.h>

#include "../pool.h"

#define PAGES 4
#define OBJECTS 8
#define SIZE 100

static int pool_case_init(struct kunit *test)
{
	struct kproxy_pool *pool;

	pool = kunit_kzalloc(test, sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return -ENOMEM;
	test->priv = pool;
	return kproxy_pool_init(pool, "kproxy_kunit", PAGES, OBJECTS, SIZE);
}

static void pool_case_exit(struct kunit *test)
{
	kproxy_pool_destroy(test->priv);
}

/* Stay on this CPU, as the data path does. */
static int this_cpu_begin(void)
{
	local_bh_disable();
	return smp_processor_id();
}

static void this_cpu_end(void)
{
	local_bh_enable();
}

static void new_pool_is_full(struct kunit *test)
{
	struct kproxy_pool *pool = test->priv;
	struct kproxy_pool_info info;
	int cpu;

	for_each_possible_cpu(cpu) {
		kproxy_pool_info(pool, cpu, &info);
		KUNIT_EXPECT_EQ(test, info.pages, PAGES);
		KUNIT_EXPECT_EQ(test, info.pages_free, PAGES);
		KUNIT_EXPECT_EQ(test, info.objects, OBJECTS);
		KUNIT_EXPECT_EQ(test, info.objects_free, OBJECTS);
		KUNIT_EXPECT_EQ(test, info.fallbacks, 0);
	}
}

static void get_takes_from_this_cpu_and_put_returns(struct kunit *test)
{
	struct kproxy_pool *pool = test->priv;
	struct kproxy_pool_info info;
	void *object;
	int cpu;

	cpu = this_cpu_begin();
	object = kproxy_pool_get(pool);
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_NOT_NULL(test, object);
	KUNIT_EXPECT_EQ(test, info.objects_free, OBJECTS - 1);
	kproxy_pool_put(pool, object);
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.objects_free, OBJECTS);
	this_cpu_end();
}

static void get_from_empty_pool_falls_back(struct kunit *test)
{
	struct kproxy_pool *pool = test->priv;
	struct kproxy_pool_info info;
	void *objects[OBJECTS + 2];
	int cpu, i;

	cpu = this_cpu_begin();
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		objects[i] = kproxy_pool_get(pool);
		KUNIT_EXPECT_NOT_NULL(test, objects[i]);
		memset(objects[i], i, SIZE);
	}
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.objects_free, 0);
	KUNIT_EXPECT_EQ(test, info.fallbacks, 2);
	/* No two objects overlap. */
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(objects[i], i, SIZE),
				    NULL);
		kproxy_pool_put(pool, objects[i]);
	}
	/* Fallbacks were returned to the kernel, not to the pool. */
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.objects_free, OBJECTS);
	this_cpu_end();
}

struct put_elsewhere {
	struct kproxy_pool *pool;
	void *object;
};

static long put_elsewhere(void *arg)
{
	struct put_elsewhere *put = arg;

	kproxy_pool_put(put->pool, put->object);
	return 0;
}

static void object_put_on_another_cpu_comes_home(struct kunit *test)
{
	struct put_elsewhere put = { .pool = test->priv };
	struct kproxy_pool *pool = test->priv;
	struct kproxy_pool_info info;
	void *objects[OBJECTS];
	int home, other, i;

	home = this_cpu_begin();
	put.object = kproxy_pool_get(pool);
	this_cpu_end();
	other = cpumask_any_but(cpu_online_mask, home);
	if (other >= nr_cpu_ids) {
		kproxy_pool_put(pool, put.object);
		kunit_skip(test, "there is one CPU only");
	}
	work_on_cpu(other, put_elsewhere, &put);

	kproxy_pool_info(pool, home, &info);
	KUNIT_EXPECT_EQ(test, info.objects_free, OBJECTS);
	kproxy_pool_info(pool, other, &info);
	KUNIT_EXPECT_EQ(test, info.objects_free, OBJECTS);

	/* All objects are available again, whichever CPU this runs on now. */
	home = this_cpu_begin();
	for (i = 0; i < OBJECTS; i++)
		objects[i] = kproxy_pool_get(pool);
	kproxy_pool_info(pool, home, &info);
	KUNIT_EXPECT_EQ(test, info.fallbacks, 0);
	for (i = 0; i < OBJECTS; i++)
		kproxy_pool_put(pool, objects[i]);
	this_cpu_end();
}

static void pieces_lie_one_behind_the_other(struct kunit *test)
{
	struct kproxy_pool_frag a, b;

	this_cpu_begin();
	KUNIT_EXPECT_TRUE(test, kproxy_pool_frag_get(test->priv, 100, &a));
	KUNIT_EXPECT_TRUE(test, kproxy_pool_frag_get(test->priv, 200, &b));
	KUNIT_EXPECT_PTR_EQ(test, a.page, b.page);
	KUNIT_EXPECT_EQ(test, a.offset + a.len, b.offset);
	put_page(a.page);
	put_page(b.page);
	this_cpu_end();
}

static void page_in_use_is_not_handed_out_again(struct kunit *test)
{
	struct kproxy_pool_frag frags[PAGES];
	int i, j;

	this_cpu_begin();
	for (i = 0; i < PAGES; i++) {
		KUNIT_EXPECT_TRUE(test,
				  kproxy_pool_frag_get(test->priv, PAGE_SIZE,
						       &frags[i]));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_PTR_NE(test, frags[i].page,
					    frags[j].page);
	}
	for (i = 0; i < PAGES; i++)
		put_page(frags[i].page);
	this_cpu_end();
}

static void page_comes_back_with_its_last_user(struct kunit *test)
{
	struct kproxy_pool *pool = test->priv;
	struct kproxy_pool_info info;
	struct kproxy_pool_frag frag;
	int cpu;

	cpu = this_cpu_begin();
	KUNIT_EXPECT_TRUE(test, kproxy_pool_frag_get(pool, 1, &frag));
	get_page(frag.page);
	put_page(frag.page);
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.pages_free, PAGES - 1);
	put_page(frag.page);
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.pages_free, PAGES);
	this_cpu_end();
}

static void empty_ring_falls_back_and_recovers(struct kunit *test)
{
	struct kproxy_pool *pool = test->priv;
	struct kproxy_pool_frag frags[PAGES + 1];
	struct kproxy_pool_info info;
	struct kproxy_pool_frag again;
	int cpu, i;

	cpu = this_cpu_begin();
	for (i = 0; i <= PAGES; i++)
		KUNIT_EXPECT_TRUE(test, kproxy_pool_frag_get(pool, PAGE_SIZE,
							     &frags[i]));
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.pages_free, 0);
	KUNIT_EXPECT_EQ(test, info.fallbacks, 1);
	for (i = 0; i <= PAGES; i++)
		put_page(frags[i].page);

	KUNIT_EXPECT_TRUE(test, kproxy_pool_frag_get(pool, PAGE_SIZE, &again));
	kproxy_pool_info(pool, cpu, &info);
	KUNIT_EXPECT_EQ(test, info.pages_free, PAGES - 1);
	KUNIT_EXPECT_EQ(test, info.fallbacks, 1);
	put_page(again.page);
	this_cpu_end();
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(new_pool_is_full),
	KUNIT_CASE(get_takes_from_this_cpu_and_put_returns),
	KUNIT_CASE(get_from_empty_pool_falls_back),
	KUNIT_CASE(object_put_on_another_cpu_comes_home),
	KUNIT_CASE(pieces_lie_one_behind_the_other),
	KUNIT_CASE(page_in_use_is_not_handed_out_again),
	KUNIT_CASE(page_comes_back_with_its_last_user),
	KUNIT_CASE(empty_ring_falls_back_and_recovers),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "kproxy_pool",
	.init = pool_case_init,
	.exit = pool_case_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
