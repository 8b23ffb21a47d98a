// SPDX-License-Identifier: GPL-2.0
/*
 * Histograms of durations. There are two buckets for each power of two, from 64
 * us to 71 minutes, so that a value is known to within half of itself. Each CPU
 * has its own histograms, allocated when it first counts. A server without
 * sessions on a CPU costs one pointer there.
 */
#include <linux/bottom_half.h>
#include <linux/build_bug.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "histogram.h"

static bool histograms = true;
module_param(histograms, bool, 0444);
MODULE_PARM_DESC(histograms,
		 "keep histograms of the times of each server: 1 KiB for each CPU that has sessions with it");

#define FIRST_POWER ilog2(KPROXY_HISTOGRAM_FIRST)

/**
 * kproxy_histograms_new() - allocate the slots for a server's histograms
 *
 * Context: process, may sleep.
 * Return: a slot for each CPU, for kproxy_histograms_free(), or NULL.
 */
struct kproxy_histograms_slot __percpu *kproxy_histograms_new(void)
{
	struct kproxy_histograms_slot __percpu *slots;
	int cpu;

	slots = alloc_percpu_gfp(struct kproxy_histograms_slot,
				 GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!slots)
		return NULL;
	for_each_possible_cpu(cpu)
		local_lock_init(&per_cpu_ptr(slots, cpu)->lock);
	return slots;
}

/**
 * kproxy_histograms_free() - free the histograms of a server
 * @slots: from kproxy_histograms_new(), or NULL
 *
 * Context: any.
 */
void kproxy_histograms_free(struct kproxy_histograms_slot __percpu *slots)
{
	int cpu;

	if (!slots)
		return;
	for_each_possible_cpu(cpu)
		kfree(per_cpu_ptr(slots, cpu)->own);
	free_percpu(slots);
}

/**
 * kproxy_histogram_bucket() - return the bucket of a duration
 * @us: the duration, in microseconds
 *
 * Context: any.
 * Return: the number of its bucket.
 */
unsigned int kproxy_histogram_bucket(u64 us)
{
	unsigned int power, bucket;

	if (us < KPROXY_HISTOGRAM_FIRST)
		return 0;
	power = ilog2(us);
	bucket = 1 + 2 * (power - FIRST_POWER) + ((us >> (power - 1)) & 1);
	return min(bucket, KPROXY_HISTOGRAM_BUCKETS - 1U);
}

static struct kproxy_histograms *
own_histograms(struct kproxy_histograms_slot __percpu *slots)
{
	struct kproxy_histograms_slot *slot = this_cpu_ptr(slots);

	if (unlikely(!slot->own) && histograms)
		/* A reader sees NULL, or zeroed memory. */
		smp_store_release(&slot->own,
				  kzalloc(sizeof(*slot->own),
					  GFP_NOWAIT | __GFP_NOWARN |
					  __GFP_ACCOUNT));
	return slot->own;
}

/**
 * kproxy_histograms_add() - count a duration
 * @slots: the server's
 * @kind: which duration
 * @us: the duration, in microseconds
 *
 * It is not counted if this CPU has no histograms yet and memory is short.
 *
 * Context: process or softirq.
 */
void kproxy_histograms_add(struct kproxy_histograms_slot __percpu *slots,
			   enum kproxy_time_kind kind, u64 us)
{
	struct kproxy_histogram *h;
	struct kproxy_histograms *own;
	unsigned int bucket = kproxy_histogram_bucket(us);

	BUILD_BUG_ON(sizeof(*own) > 1024);
	local_bh_disable();
	local_lock_nested_bh(&slots->lock);
	own = own_histograms(slots);
	if (likely(own)) {
		h = &own->kinds[kind];
		WRITE_ONCE(h->sum_us, h->sum_us + us);
		WRITE_ONCE(h->buckets[bucket], h->buckets[bucket] + 1);
	}
	local_unlock_nested_bh(&slots->lock);
	local_bh_enable();
}

/**
 * kproxy_histograms_sum() - add up the histograms of all CPUs
 * @slots: the server's
 * @kind: which duration
 * @sum: the total
 *
 * Context: any.
 * Return: false if nothing was ever counted.
 */
bool kproxy_histograms_sum(struct kproxy_histograms_slot __percpu *slots,
			   enum kproxy_time_kind kind,
			   struct kproxy_histogram *sum)
{
	const struct kproxy_histograms *one;
	bool any = false;
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		/* pairs with the release in own_histograms() */
		one = smp_load_acquire(&per_cpu_ptr(slots, cpu)->own);
		if (!one)
			continue;
		sum->sum_us += READ_ONCE(one->kinds[kind].sum_us);
		for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS; i++)
			sum->buckets[i] += READ_ONCE(one->kinds[kind].buckets[i]);
	}
	for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS; i++)
		any |= sum->buckets[i];
	return any;
}
