// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses what the log has of much that is alike, by CPU, so that CPUs share
 * nothing for it.
 */
#include <linux/jiffies.h>

#include "sample.h"

/* One of the burst comes back with each period. */
static void sample_refill(struct kproxy_sample *sample, unsigned long now)
{
	unsigned long periods = (now - sample->since) / KPROXY_SAMPLE_PERIOD;

	if (periods >= sample->used) {
		sample->used = 0;
		sample->since = now;
	} else {
		sample->used -= periods;
		sample->since += periods * KPROXY_SAMPLE_PERIOD;
	}
}

/**
 * kproxy_sample_refused() - choose whether a refused client is logged
 * @sample: the CPU's part of its listener, zeroed before the first call
 * @now: jiffies
 * @omitted: if it is logged, gets how many were not since the last that was
 *
 * Context: any.
 * Return: true if it is.
 */
bool kproxy_sample_refused(struct kproxy_sample *sample, unsigned long now,
			   u32 *omitted)
{
	sample_refill(sample, now);
	if (sample->used >= KPROXY_SAMPLE_BURST) {
		sample->omitted++;
		return false;
	}
	sample->used++;
	*omitted = sample->omitted;
	sample->omitted = 0;
	return true;
}

/**
 * kproxy_sample_session() - choose whether an ended session is logged
 * @sample: the CPU's part of its listener, zeroed before the first call
 * @every: one in this many is logged; at least 1
 * @omitted: if it is logged, gets how many were not since the last that was
 *
 * Context: any.
 * Return: true if it is.
 */
bool kproxy_sample_session(struct kproxy_sample *sample, u32 every,
			   u32 *omitted)
{
	if (sample->sessions + 1 < every) {
		sample->sessions++;
		return false;
	}
	*omitted = sample->sessions;
	sample->sessions = 0;
	return true;
}
