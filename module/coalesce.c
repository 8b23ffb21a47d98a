// SPDX-License-Identifier: GPL-2.0
/*
 * Decides how long to coalesce a fast stream, so that many packets move in one
 * run. They cost less together: the from socket acknowledges once, and the to
 * socket gets packets as large as possible. A process that reads coalesces by
 * accident, because it takes a while to be scheduled. A pump that runs in
 * softirq has to do it deliberately.
 *
 * At the end of a burst, the coalesced bytes wait in vain until a timer fires.
 * To keep that rare, a stream must have moved many bytes before it is
 * coalesced. That threshold doubles if the timer fires again soon. If many
 * bytes had come by then, the sender may be limited by its congestion window
 * and waiting for an ACK. Such a stream is coalesced in slightly smaller
 * amounts, until it has moved that threshold again.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "coalesce.h"

/* Coalesce no more than should arrive in this many microseconds. */
#define SPAN_US 2000

/* Fewer are not worth it, so a stream below 0.5 Gbit/s is not coalesced. */
#define BYTES_MIN (128 * 1024)

/* Bytes that must move before a stream is coalesced: at first, and at most. */
#define PATIENCE_MIN (2 << 20)
#define PATIENCE_MAX (256 << 20)

/* In microseconds; the kernel fires shorter timers late anyway. */
#define TIMER_MIN 25

/**
 * kproxy_coalesce_init() - set up coalescing for a new stream
 * @co: the stream's, zeroed
 *
 * Context: any.
 */
void kproxy_coalesce_init(struct kproxy_coalesce *co)
{
	co->after = PATIENCE_MIN;
	co->patience = PATIENCE_MIN;
}

/**
 * kproxy_coalesce_measure() - measure a stream's speed, adapt the coalescing
 * @co: the stream's
 * @moved: bytes since the stream began, at least KPROXY_COALESCE_BYTES above
 *	the mark
 * @now: microseconds, by TCP's clock
 * @window: bytes that the from socket has room for when it is empty
 *
 * No more than half the window is coalesced, so that the sender need not wait
 * for it.
 *
 * Context: as the pump.
 */
void kproxy_coalesce_measure(struct kproxy_coalesce *co, u64 moved, u32 now,
			     u32 window)
{
	u32 bytes = moved < co->after ? co->most : KPROXY_COALESCE_BYTES;
	u32 took = now - co->begun;

	bytes = min(bytes, window / 2);
	co->mark = moved;
	co->begun = now;
	if (took > SPAN_US)
		bytes = min(bytes, div_u64((u64)KPROXY_COALESCE_BYTES * SPAN_US,
					   took));
	if (bytes < BYTES_MIN)
		bytes = 0;
	/*
	 * Twice the expected time, so that normally the bytes end it, not the
	 * timer.
	 */
	WRITE_ONCE(co->us, 2 * clamp(took, TIMER_MIN, SPAN_US));
	WRITE_ONCE(co->bytes, bytes);
}

/**
 * kproxy_coalesce_in_vain() - back off after the coalesce timer has fired
 * @co: the stream's
 * @came: bytes that had come by then, too few
 * @moved: bytes since the stream began
 * @now: microseconds, by TCP's clock
 *
 * Context: as the pump.
 */
void kproxy_coalesce_in_vain(struct kproxy_coalesce *co, u32 came, u64 moved,
			     u32 now)
{
	co->most = came - came / 8;
	if (co->most < BYTES_MIN)
		co->most = 0;
	WRITE_ONCE(co->bytes, min(co->bytes, co->most));
	co->mark = moved;
	co->begun = now;
	if (moved >= co->after + 4ULL * co->patience)
		co->patience = PATIENCE_MIN;
	else
		co->patience = min(2 * co->patience, PATIENCE_MAX);
	co->after = moved + co->patience;
}
