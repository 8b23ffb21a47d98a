/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_HISTOGRAM_H
#define _KPROXY_HISTOGRAM_H

#include <linux/local_lock.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

enum kproxy_time_kind {
	/* from the begin of a connect until the server has answered */
	KPROXY_TIME_CONNECT,
	/* a session's whole life */
	KPROXY_TIME_SESSION,

	KPROXY_TIME_KINDS
};

struct kproxy_histogram {
	u64 sum_us;
	u64 buckets[KPROXY_HISTOGRAM_BUCKETS];
};

/*
 * One CPU's. Written by that CPU alone, under the lock of its slot, and read
 * locklessly.
 */
struct kproxy_histograms {
	struct kproxy_histogram kinds[KPROXY_TIME_KINDS];
};

struct kproxy_histograms_slot {
	/* bottom halves are off; on PREEMPT_RT, tasks preempt each other then */
	local_lock_t lock;
	/* NULL until something is counted; freed with the slots */
	struct kproxy_histograms *own;
};

struct kproxy_histograms_slot __percpu *kproxy_histograms_new(void);
void kproxy_histograms_free(struct kproxy_histograms_slot __percpu *slots);
unsigned int kproxy_histogram_bucket(u64 us);
void kproxy_histograms_add(struct kproxy_histograms_slot __percpu *slots,
			   enum kproxy_time_kind kind, u64 us);
bool kproxy_histograms_sum(struct kproxy_histograms_slot __percpu *slots,
			   enum kproxy_time_kind kind,
			   struct kproxy_histogram *sum);

#endif /* _KPROXY_HISTOGRAM_H */
