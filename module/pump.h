/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PUMP_H
#define _KPROXY_PUMP_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/types.h>

#include "coalesce.h"
#include "pool.h"

struct sock;

/* Why a run of the pump stopped. */
enum kproxy_pump_result {
	/* everything received so far is passed on */
	KPROXY_PUMP_DRY,
	/* the to socket is full and will call write_space */
	KPROXY_PUMP_FULL,
	/* memory was short and no callback will come: retry soon */
	KPROXY_PUMP_RETRY,
	/* more is queued, but let others have the CPU and the sockets */
	KPROXY_PUMP_YIELD,
	/* the end of the stream is passed on */
	KPROXY_PUMP_EOF,
	/* as many bytes as may be are passed on */
	KPROXY_PUMP_LIMIT,
	/* one of the two sockets is unusable */
	KPROXY_PUMP_BROKEN,
};

/* What the session wants of a direction. */
enum kproxy_pump_flag {
	/* The pump work is to run it. */
	KPROXY_PUMP_WANTED,
	/* That run was deferred because the to socket's lock was busy. */
	KPROXY_PUMP_DEFERRED,
	/* Its bytes are being coalesced. */
	KPROXY_PUMP_COALESCING,
	/* The coalesce timer fired before enough bytes had come. */
	KPROXY_PUMP_IN_VAIN,
};

/*
 * One direction of a session. Written under the to socket's lock by the CPU
 * that pumps, read locklessly by any. Has its own cache lines; most runs touch
 * only the first.
 */
struct kproxy_pump {
	u64 bytes_spliced;
	u64 bytes_copied;
	/* jiffies when a byte last moved */
	unsigned long last;
	/* the CPU that moved it */
	int cpu;
	/* bytes sent with the SYN, not yet taken from head and from socket */
	u32 ahead;
	/* PROXY header to send before the first byte, uncounted; len 0: none */
	struct kproxy_pool_frag head;
	/* the to socket was full at the end of the last run */
	bool full;
	/* the end of the stream or the last byte allowed is passed on */
	bool ended;
	/* no more than @left bytes are passed on; constant */
	bool limited;
	/* inside tcp_sendmsg_locked(): write_space is the pump's own */
	bool sending;
	/* runs in a row that ended with RETRY; sets the next pause */
	u8 retries;
	/*
	 * Nanoseconds without room in the to socket. During a stall, less the
	 * clock's time when it began, so negative.
	 */
	s64 stall;
	/* by cmpxchg(): how much of @stall is in the counters */
	u64 stall_counted;
	/* enum kproxy_pump_flag, atomic bits */
	unsigned long flags;
	/* bytes that may still be passed on, if @limited; lockless reads */
	u64 left;
	struct kproxy_coalesce coalesce;
} ____cacheline_aligned_in_smp;

/* Bytes passed on by one run. */
struct kproxy_pump_moved {
	u64 spliced;
	u64 copied;
};

enum kproxy_pump_result kproxy_pump_run(struct kproxy_pump *pump,
					struct sock *from, struct sock *to,
					struct kproxy_pool *pool,
					struct kproxy_pump_moved *moved);

void kproxy_pump_drop_head(struct kproxy_pump *pump);
u64 kproxy_pump_stalled(const struct kproxy_pump *pump);

/* Bytes passed on since the session began. */
static inline u64 kproxy_pump_bytes(const struct kproxy_pump *pump)
{
	return READ_ONCE(pump->bytes_spliced) + READ_ONCE(pump->bytes_copied);
}

/* Whether the to socket is out of room now. */
static inline bool kproxy_pump_stalls(const struct kproxy_pump *pump)
{
	return READ_ONCE(pump->stall) < 0;
}

#endif /* _KPROXY_PUMP_H */
