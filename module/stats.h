/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_STATS_H
#define _KPROXY_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

enum kproxy_counter {
	KPROXY_SESSIONS_TOTAL,
	KPROXY_REFUSED,
	KPROXY_CONNECT_FAILURES,
	KPROXY_BYTES_IN,
	KPROXY_BYTES_OUT,
	KPROXY_BYTES_SPLICED,
	KPROXY_BYTES_COPIED,
	KPROXY_PUMPS_INLINE,
	KPROXY_PUMPS_DEFERRED,
	/* nanoseconds that the client, the server had no room for its bytes */
	KPROXY_STALL_CLIENT,
	KPROXY_STALL_SERVER,
	/* sessions that have ended, by enum kproxy_reason */
	KPROXY_ENDS,

	KPROXY_COUNTERS = KPROXY_ENDS + KPROXY_REASON_MAX + 1
};

/* One CPU's counters; written by that CPU alone, read locklessly. */
struct kproxy_stats {
	u64 count[KPROXY_COUNTERS];
};

struct kproxy_stats __percpu *kproxy_stats_new(void);
void kproxy_stats_free(struct kproxy_stats __percpu *stats);
void kproxy_stats_sum(const struct kproxy_stats __percpu *stats,
		      struct kproxy_stats *sum);

/* Context: any; safe against interrupts and preemption. */
static inline void kproxy_stats_add(struct kproxy_stats __percpu *stats,
				    enum kproxy_counter counter, u64 n)
{
	this_cpu_add(stats->count[counter], n);
}

static inline void kproxy_stats_inc(struct kproxy_stats __percpu *stats,
				    enum kproxy_counter counter)
{
	this_cpu_inc(stats->count[counter]);
}

#endif /* _KPROXY_STATS_H */
