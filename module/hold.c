// SPDX-License-Identifier: GPL-2.0
/*
 * A stream that is fast and goes on is held back until many packets of it have
 * come. They cost less together: the source acknowledges once, and the
 * destination gets packets as large as there can be. A process that reads does
 * that without meaning to, because it takes a while until it runs; a pump that
 * runs in softirq has to mean it.
 *
 * What is held back is late at the end of a burst, by a timer, and then it was
 * in vain. That must be seldom, so that a stream must have gone on for long
 * before it is held, and twice as long after a time in vain that came soon. But
 * when much had come, it may have been a sender who waits for us to acknowledge
 * it, his own window being full: of him a little less than that is held, and
 * only after long again as much as there can be.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "hold.h"

/* No more is held than should come in so many microseconds. */
#define SPAN_US 2000

/* Less is not worth it: a stream of less than half a Gbit/s is not held. */
#define BYTES_MIN (128 * 1024)

/* Bytes before a stream is held for the first time, and at most before the next. */
#define PATIENCE_MIN (2 << 20)
#define PATIENCE_MAX (256 << 20)

/* Timers closer than this are late anyway; microseconds. */
#define TIMER_MIN 25

/**
 * kproxy_hold_init() - a stream begins
 * @hold: the stream's, zeroed
 *
 * Context: any.
 */
void kproxy_hold_init(struct kproxy_hold *hold)
{
	hold->after = PATIENCE_MIN;
	hold->patience = PATIENCE_MIN;
}

/**
 * kproxy_hold_measure() - a stretch of the stream has moved: how fast was that?
 * @hold: the stream's
 * @moved: bytes since it began, KPROXY_HOLD_BYTES more than last time
 * @now: microseconds, by the clock of TCP
 * @window: bytes that the source has room for, when it has nothing
 *
 * A sender must not have to wait for its window because of what is held.
 *
 * Context: as the pump.
 */
void kproxy_hold_measure(struct kproxy_hold *hold, u64 moved, u32 now,
			 u32 window)
{
	u32 bytes = moved < hold->after ? hold->most : KPROXY_HOLD_BYTES;
	u32 took = now - hold->begun;

	bytes = min(bytes, window / 2);
	hold->mark = moved;
	hold->begun = now;
	if (took > SPAN_US)
		bytes = min(bytes, div_u64((u64)KPROXY_HOLD_BYTES * SPAN_US,
					   took));
	if (bytes < BYTES_MIN)
		bytes = 0;
	/* Twice what it should take, so that it is the bytes that end it. */
	WRITE_ONCE(hold->us, 2 * clamp(took, TIMER_MIN, SPAN_US));
	WRITE_ONCE(hold->bytes, bytes);
}

/**
 * kproxy_hold_in_vain() - the timer was over before the bytes had come
 * @hold: the stream's
 * @came: bytes that had come
 * @moved: bytes since it began
 * @now: microseconds, by the clock of TCP
 *
 * Context: as the pump.
 */
void kproxy_hold_in_vain(struct kproxy_hold *hold, u32 came, u64 moved, u32 now)
{
	hold->most = came - came / 8;
	if (hold->most < BYTES_MIN)
		hold->most = 0;
	WRITE_ONCE(hold->bytes, min(hold->bytes, hold->most));
	hold->mark = moved;
	hold->begun = now;
	if (moved >= hold->after + 4ULL * hold->patience)
		hold->patience = PATIENCE_MIN;
	else
		hold->patience = min(2 * hold->patience, PATIENCE_MAX);
	hold->after = moved + hold->patience;
}
