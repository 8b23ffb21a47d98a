// SPDX-License-Identifier: GPL-2.0
/*
 * So many a second. What was in the last second is estimated from two counters,
 * that of the second that goes on and that of the one before, of which as much
 * counts as still lies in the window. All of a second's worth may come at once,
 * after that they come evenly. Two words an object, however many there are.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/typecheck.h>

#include "rate.h"

/**
 * kproxy_rate_init() - there was nothing yet
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

/* Begin another second if it is time for it. */
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
 * When in a second there is room for one more: jiffies from its beginning, with
 * @curr in it and @prev in the one before; HZ if not in it.
 */
static unsigned long rate_room(u32 limit, u32 curr, u32 prev)
{
	u64 rest;

	if (curr >= limit)
		return HZ;
	if (!prev)
		return 0;
	/* When less of @prev counts than there is room for, in whole ones. */
	rest = div_u64((u64)(limit - curr) * HZ + prev - 1, prev);
	return HZ + 1 - min_t(u64, rest, HZ + 1);
}

/**
 * kproxy_rate_take() - one more, if there is room for it
 * @rate: the rate
 * @limit: so many a second, not 0
 * @now: jiffies
 *
 * Context: any.
 * Return: 0 if it was counted, or else in how many jiffies there may be room.
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
 * kproxy_rate_give_back() - the one that was taken last did not come
 * @rate: the rate
 *
 * Context: any.
 */
void kproxy_rate_give_back(struct kproxy_rate *rate)
{
	if (rate->curr)
		rate->curr--;
}
