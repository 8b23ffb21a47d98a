// SPDX-License-Identifier: GPL-2.0
/*
 * Counters. Each CPU counts in its own memory and a reader adds them up, so
 * that counting costs the data path one instruction and no shared cache line.
 */
#include <linux/build_bug.h>
#include <linux/cpumask.h>
#include <linux/string.h>

#include "stats.h"

/**
 * kproxy_stats_new() - allocate a set of counters, all zero
 *
 * Context: process, may sleep.
 * Return: the counters, owned by the caller, or NULL if memory is short.
 */
struct kproxy_stats __percpu *kproxy_stats_new(void)
{
	/* A 64-bit counter must be read and written by one instruction. */
	BUILD_BUG_ON(sizeof(unsigned long) < sizeof(u64));

	return alloc_percpu_gfp(struct kproxy_stats,
				GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

/**
 * kproxy_stats_free() - free a set of counters
 * @stats: from kproxy_stats_new(), or NULL
 *
 * Context: any.
 */
void kproxy_stats_free(struct kproxy_stats __percpu *stats)
{
	free_percpu(stats);
}

/**
 * kproxy_stats_sum() - add up the counters of all CPUs
 * @stats: the counters
 * @sum: the totals; each is exact, but together they are no snapshot
 *
 * Context: any.
 */
void kproxy_stats_sum(const struct kproxy_stats __percpu *stats,
		      struct kproxy_stats *sum)
{
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct kproxy_stats *one = per_cpu_ptr(stats, cpu);

		for (i = 0; i < KPROXY_COUNTS; i++)
			sum->count[i] += READ_ONCE(one->count[i]);
	}
}
