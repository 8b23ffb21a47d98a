// SPDX-License-Identifier: GPL-2.0
/*
 * Limits a rate per second. The number in the last second is estimated from two
 * counters: the current second's, and the previous second's, weighted by the
 * part of it that still lies in the window. A full second's worth may come at
 * once; later ones then come evenly. This takes a few words per object,
 * whatever the rate.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/typecheck.h>

#include "rate.h"

/**
 * kproxy_rate_init() - start counting at 0
 * @rate: the rate
 * @now: jiffies
 *
 * Context: any.
 */
void kproxy_rate_init(struct kproxy_rate *rate, unsigned long now)
{
	rate->start = now;
	rate->curr = 0;
	rate->prev = 0;
}

/* Begin the next second if the current one is over. */
static void rate_roll(struct kproxy_rate *rate, unsigned long now)
{
	unsigned long gone = now - rate->start;

	if (gone < HZ)
		return;
	if (gone < 2 * HZ) {
		rate->prev = rate->curr;
		rate->start += HZ;
	} else {
		rate->prev = 0;
		rate->start = now;
	}
	rate->curr = 0;
}

/*
 * When a second has room for one more: jiffies since its beginning, HZ if
 * never. It has @curr so far, and the second before had @prev.
 */
static unsigned long rate_room(u32 limit, u32 curr, u32 prev)
{
	u64 rest;

	if (curr >= limit)
		return HZ;
	if (!prev)
		return 0;
	/* When the part of @prev that counts leaves room for a whole one. */
	rest = div_u64((u64)(limit - curr) * HZ + prev - 1, prev);
	return HZ + 1 - min_t(u64, rest, HZ + 1);
}

/**
 * kproxy_rate_take() - take one, if there is room
 * @rate: the rate
 * @limit: maximum per second, not 0
 * @now: jiffies
 *
 * Context: any.
 * Return: 0 if it was counted, otherwise jiffies until there may be room.
 */
unsigned long kproxy_rate_take(struct kproxy_rate *rate, u32 limit,
			       unsigned long now)
{
	unsigned long room, gone;

	/* Another CPU may have come first, with a later time. */
	if (time_before(now, rate->start))
		now = rate->start;
	rate_roll(rate, now);
	gone = now - rate->start;
	room = rate_room(limit, rate->curr, rate->prev);
	if (room == HZ)
		room += rate_room(limit, 0, rate->curr);
	if (room > gone)
		return room - gone;
	rate->curr++;
	return 0;
}

/**
 * kproxy_rate_give_back() - undo the last kproxy_rate_take()
 * @rate: the rate
 *
 * Context: any.
 */
void kproxy_rate_give_back(struct kproxy_rate *rate)
{
	if (rate->curr)
		rate->curr--;
}
