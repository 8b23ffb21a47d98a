/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_RATE_H
#define _KPROXY_RATE_H

#include <linux/types.h>

/* A rate; protected by the caller's lock. */
struct kproxy_rate {
	/* jiffies when the current second began */
	unsigned long start;
	/* counted in that second and in the one before */
	u32 curr;
	u32 prev;
};

void kproxy_rate_init(struct kproxy_rate *rate, unsigned long now);
unsigned long kproxy_rate_take(struct kproxy_rate *rate, u32 limit,
			       unsigned long now);
void kproxy_rate_give_back(struct kproxy_rate *rate);

#endif /* _KPROXY_RATE_H */
