/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LATENCY_H
#define _KPROXY_LATENCY_H

#include <linux/local_lock.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

enum kproxy_latency_kind {
	/* from the begin of a connect until the server has answered */
	KPROXY_LATENCY_CONNECT,
	/* a session's whole life */
	KPROXY_LATENCY_SESSION,

	KPROXY_LATENCY_KINDS
};

struct kproxy_histogram {
	u64 sum_us;
	u64 buckets[KPROXY_HISTOGRAM_BUCKETS];
};

/*
 * One CPU's. Written by that CPU alone, under the lock of its slot, and read
 * locklessly.
 */
struct kproxy_latency {
	struct kproxy_histogram kinds[KPROXY_LATENCY_KINDS];
};

struct kproxy_latency_slot {
	/* bottom halves are off; on PREEMPT_RT, tasks preempt each other then */
	local_lock_t lock;
	/* NULL until something is counted; freed with the slots */
	struct kproxy_latency *own;
};

struct kproxy_latency_slot __percpu *kproxy_latency_new(void);
void kproxy_latency_free(struct kproxy_latency_slot __percpu *slots);
unsigned int kproxy_latency_bucket(u64 us);
void kproxy_latency_add(struct kproxy_latency_slot __percpu *slots,
			enum kproxy_latency_kind kind, u64 us);
bool kproxy_latency_sum(struct kproxy_latency_slot __percpu *slots,
			enum kproxy_latency_kind kind,
			struct kproxy_histogram *sum);

#endif /* _KPROXY_LATENCY_H */
