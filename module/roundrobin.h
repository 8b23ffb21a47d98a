/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ROUNDROBIN_H
#define _KPROXY_ROUNDROBIN_H

#include <linux/rbtree.h>
#include <linux/types.h>

/* The queue that a weighted round robin serves; under its owner's lock. */
struct kproxy_roundrobin {
	struct rb_root_cached queue;
	/* virtual time: when the entry picked last was due */
	u64 now;
};

/* One that takes its turn; embedded in it, under the same lock. */
struct kproxy_roundrobin_entry {
	struct rb_node node;
	/* virtual time of its next turn, and between two turns */
	u64 due;
	u64 stride;
	/* 0 while it is not queued */
	unsigned int weight;
};

void kproxy_roundrobin_init(struct kproxy_roundrobin *rr);
void kproxy_roundrobin_set(struct kproxy_roundrobin *rr,
			   struct kproxy_roundrobin_entry *entry,
			   unsigned int weight);
struct kproxy_roundrobin_entry *
kproxy_roundrobin_pick(struct kproxy_roundrobin *rr);

#endif /* _KPROXY_ROUNDROBIN_H */
