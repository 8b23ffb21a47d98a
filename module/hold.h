/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_HOLD_H
#define _KPROXY_HOLD_H

#include <linux/compiler.h>
#include <linux/types.h>

/* What a stream's speed is measured over, and the most that is held back. */
#define KPROXY_HOLD_BYTES (512 * 1024)

/* Whether a stream is held back; protected as the pump that it is part of. */
struct kproxy_hold {
	/* run when so many bytes have come, 0: at once; read by any */
	u32 bytes;
	/* but no longer, in microseconds; read by any */
	u32 us;
	/* bytes that had moved when the measure began */
	u64 mark;
	/* not, or no more than "most", before so many have moved */
	u64 after;
	/* microseconds when the measure began, by the clock of TCP */
	u32 begun;
	/* bytes that it took this time, or will take after the next time in vain */
	u32 patience;
	/* what has not been in vain, or 0 */
	u32 most;
};

void kproxy_hold_init(struct kproxy_hold *hold);
void kproxy_hold_measure(struct kproxy_hold *hold, u64 moved, u32 now,
			 u32 window);
void kproxy_hold_in_vain(struct kproxy_hold *hold, u32 came, u64 moved,
			 u32 now);

/**
 * kproxy_hold_moved() - so many bytes have moved by now
 * @hold: the stream's
 * @moved: bytes since it began
 * @now: microseconds, by the clock of TCP
 * @window: bytes that the source has room for, when it has nothing
 *
 * Context: as the pump.
 */
static inline void kproxy_hold_moved(struct kproxy_hold *hold, u64 moved,
				     u32 now, u32 window)
{
	if (unlikely(moved - hold->mark >= KPROXY_HOLD_BYTES))
		kproxy_hold_measure(hold, moved, now, window);
}

#endif /* _KPROXY_HOLD_H */
