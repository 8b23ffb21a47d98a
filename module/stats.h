/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_STATS_H
#define _KPROXY_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

/*
 * A counter's index is its attribute, KPROXY_A_COUNTERS_*, so that the
 * specification is the only list of counters. Those whose name ends in _US
 * count nanoseconds here. The counters of ended sessions, one for each enum
 * kproxy_reason, come after all others.
 */
#define KPROXY_COUNTS_END_REASONS (KPROXY_A_COUNTERS_MAX + 1)
#define KPROXY_COUNTS (KPROXY_COUNTS_END_REASONS + KPROXY_REASON_MAX + 1)

/* One CPU's counters; written by that CPU alone, read locklessly. */
struct kproxy_stats {
	u64 count[KPROXY_COUNTS];
};

struct kproxy_stats __percpu *kproxy_stats_new(void);
void kproxy_stats_free(struct kproxy_stats __percpu *stats);
void kproxy_stats_sum(const struct kproxy_stats __percpu *stats,
		      struct kproxy_stats *sum);

/* Context: any; safe against interrupts and preemption. */
static inline void kproxy_stats_add(struct kproxy_stats __percpu *stats,
				    unsigned int counter, u64 n)
{
	this_cpu_add(stats->count[counter], n);
}

static inline void kproxy_stats_inc(struct kproxy_stats __percpu *stats,
				    unsigned int counter)
{
	this_cpu_inc(stats->count[counter]);
}

#endif /* _KPROXY_STATS_H */
