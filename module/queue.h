/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_QUEUE_H
#define _KPROXY_QUEUE_H

#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* One who waits; embedded in it. */
struct kproxy_waiter {
	/* Under the queue's lock; empty while it is in none. */
	struct list_head node;
	/* Asks it to look again. Called under the queue's lock. */
	void (*turn)(struct kproxy_waiter *waiter);
};

/* Those who wait, the first one first. */
struct kproxy_queue {
	/* Protects @waiters; @nr is read by any. */
	spinlock_t lock;
	struct list_head waiters;
	unsigned int nr;
};

void kproxy_queue_init(struct kproxy_queue *q);
void kproxy_queue_join(struct kproxy_queue *q, struct kproxy_waiter *waiter);
void kproxy_queue_leave(struct kproxy_queue *q, struct kproxy_waiter *waiter);
bool kproxy_queue_first(struct kproxy_queue *q,
			const struct kproxy_waiter *waiter);
void kproxy_queue_call(struct kproxy_queue *q);

/* Context: any. Whether nobody waits. */
static inline bool kproxy_queue_empty(const struct kproxy_queue *q)
{
	return !READ_ONCE(q->nr);
}

#endif /* _KPROXY_QUEUE_H */
