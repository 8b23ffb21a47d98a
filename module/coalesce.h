/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_COALESCE_H
#define _KPROXY_COALESCE_H

#include <linux/compiler.h>
#include <linux/types.h>

/* Bytes over which a stream's speed is measured; also the most to coalesce. */
#define KPROXY_COALESCE_BYTES (512 * 1024)

/* How a stream is coalesced; protected like the pump that contains it. */
struct kproxy_coalesce {
	/* run once this many bytes have come, 0 for at once; lockless reads */
	u32 bytes;
	/* but no later than this, in microseconds; lockless reads */
	u32 us;
	/* bytes that had moved when the measurement began */
	u64 mark;
	/* until this many bytes have moved, coalesce at most @most */
	u64 after;
	/* TCP's clock when the measurement began, in microseconds */
	u32 begun;
	/* bytes last added to @after; doubles if the timer fires again soon */
	u32 patience;
	/* limit until @after, from what had come in vain; 0: don't coalesce */
	u32 most;
	/* TCP's clock when coalescing began; under the from socket's lock */
	u32 since;
};

void kproxy_coalesce_init(struct kproxy_coalesce *co);
void kproxy_coalesce_measure(struct kproxy_coalesce *co, u64 moved, u32 now,
			     u32 window);
void kproxy_coalesce_in_vain(struct kproxy_coalesce *co, u32 came, u64 moved,
			     u32 now);

/**
 * kproxy_coalesce_moved() - tell how many bytes the stream has moved so far
 * @co: the stream's
 * @moved: bytes since the stream began
 * @now: microseconds, by TCP's clock
 * @window: bytes that the from socket has room for when it is empty
 *
 * Context: as the pump.
 */
static inline void kproxy_coalesce_moved(struct kproxy_coalesce *co, u64 moved,
					 u32 now, u32 window)
{
	if (unlikely(moved - co->mark >= KPROXY_COALESCE_BYTES))
		kproxy_coalesce_measure(co, moved, now, window);
}

#endif /* _KPROXY_COALESCE_H */
