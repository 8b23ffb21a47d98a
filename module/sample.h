/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SAMPLE_H
#define _KPROXY_SAMPLE_H

#include <linux/types.h>

/*
 * Refused clients of a listener that have a record and an event: a burst on each
 * CPU, and then one in each period.
 */
#define KPROXY_SAMPLE_BURST 16U
#define KPROXY_SAMPLE_PERIOD (HZ / 2)

/* One CPU's part of a listener's sample; the caller serialises its use. */
struct kproxy_sample {
	/* of the burst, what is used, and the jiffies that this is true of */
	u32 used;
	unsigned long since;
	/* refused clients, ended sessions left out since the last that was not */
	u32 omitted;
	u32 sessions;
};

bool kproxy_sample_refused(struct kproxy_sample *sample, unsigned long now,
			   u32 *omitted);
bool kproxy_sample_session(struct kproxy_sample *sample, u32 every,
			   u32 *omitted);

#endif /* _KPROXY_SAMPLE_H */
