/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_DRAIN_H
#define _KPROXY_DRAIN_H

#include <linux/types.h>

#include "session-table.h"

struct kproxy_listener;
struct kproxy_net;

/* How to end the sessions of a deleted listener; times in milliseconds. */
struct kproxy_drain {
	/* sessions per second, 0 for as many as the deadline needs */
	unsigned int rate;
	/* when all are ended, 0 for never */
	unsigned int deadline;

	/* Constant: jiffies, and sessions, when the drain began. */
	unsigned long began;
	unsigned int total;
	/* The drain work's: sessions ended, and where the walk resumes. */
	unsigned int killed;
	struct kproxy_session_walk walk;
};

void kproxy_drain_init(struct kproxy_net *kn);
void kproxy_drain_start(struct kproxy_listener *l, unsigned int rate,
			unsigned int deadline);
void kproxy_drain_stop(struct kproxy_net *kn);

#endif /* _KPROXY_DRAIN_H */
