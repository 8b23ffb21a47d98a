/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_QUEUE_H
#define _KPROXY_QUEUE_H

#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* A waiter; embedded in the object that waits. */
struct kproxy_waiter {
	/* Under the queue's lock; empty when it is in no queue. */
	struct list_head node;
	/* Asks the waiter to check again. Called under the queue's lock. */
	void (*wake)(struct kproxy_waiter *waiter);
};

/* The waiters, in order of arrival. */
struct kproxy_queue {
	/* Protects @waiters and writes of @nr; @nr is read locklessly. */
	spinlock_t lock;
	struct list_head waiters;
	unsigned int nr;
};

void kproxy_queue_init(struct kproxy_queue *q);
void kproxy_queue_join(struct kproxy_queue *q, struct kproxy_waiter *waiter);
void kproxy_queue_leave(struct kproxy_queue *q, struct kproxy_waiter *waiter);
bool kproxy_queue_first(struct kproxy_queue *q,
			const struct kproxy_waiter *waiter);
void kproxy_queue_wake(struct kproxy_queue *q);

/* Return true if there are no waiters. Context: any. */
static inline bool kproxy_queue_empty(const struct kproxy_queue *q)
{
	return !READ_ONCE(q->nr);
}

#endif /* _KPROXY_QUEUE_H */
