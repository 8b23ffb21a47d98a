/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PUMP_H
#define _KPROXY_PUMP_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/types.h>

#include "hold.h"
#include "pool.h"

struct sock;

/* Why a run of the pump stopped. */
enum kproxy_pump_result {
	/* everything that had come is passed on */
	KPROXY_PUMP_DRY,
	/* the destination is full, its write_space will be called */
	KPROXY_PUMP_FULL,
	/* memory was short and nothing will call: try again in a moment */
	KPROXY_PUMP_RETRY,
	/* there is more, but others are to have the processor and the sockets */
	KPROXY_PUMP_YIELD,
	/* the stream has ended and its end is passed on */
	KPROXY_PUMP_EOF,
	/* one of the two sockets can't go on */
	KPROXY_PUMP_BROKEN,
};

/*
 * One direction of a session. Written under the destination's lock by the CPU
 * that pumps, read by any: cache lines of its own, of which the first is enough
 * for most runs.
 */
struct kproxy_pump {
	u64 bytes_spliced;
	u64 bytes_copied;
	/* jiffies of the last byte */
	unsigned long last;
	/* the CPU of the last byte */
	int cpu;
	/* bytes that went out with the SYN: the head, the source's first, not taken */
	u32 ahead;
	/* what goes before the first byte, and is not counted; none of length 0 */
	struct kproxy_pool_frag head;
	/* the destination was full when the last run ended */
	bool full;
	/* the end of the stream was passed on */
	bool ended;
	/* inside tcp_sendmsg_locked(): the pump's own doing, no news */
	bool sending;
	/* runs in a row that ended with RETRY, for the pause after them */
	u8 retries;
	/*
	 * For how long the destination had no room, in nanoseconds; while it has
	 * none, less the time by the clock when that began, so below 0.
	 */
	s64 stall;
	/* by cmpxchg(): what of it is in the counters */
	u64 stall_counted;
	/* of TCP's clock: since when it is held back; under the source's lock */
	u32 held_since;
	struct kproxy_hold hold;
} ____cacheline_aligned_in_smp;

/* What one run has passed on, in bytes. */
struct kproxy_pump_moved {
	u64 spliced;
	u64 copied;
};

enum kproxy_pump_result kproxy_pump_run(struct kproxy_pump *pump,
					struct sock *src, struct sock *dst,
					struct kproxy_pool *pool,
					struct kproxy_pump_moved *moved);

void kproxy_pump_drop_head(struct kproxy_pump *pump);
u64 kproxy_pump_stalled(const struct kproxy_pump *pump);

/* Bytes that it has passed on since it began. */
static inline u64 kproxy_pump_bytes(const struct kproxy_pump *pump)
{
	return READ_ONCE(pump->bytes_spliced) + READ_ONCE(pump->bytes_copied);
}

/* Whether its destination has no room now. */
static inline bool kproxy_pump_stalls(const struct kproxy_pump *pump)
{
	return READ_ONCE(pump->stall) < 0;
}

#endif /* _KPROXY_PUMP_H */
