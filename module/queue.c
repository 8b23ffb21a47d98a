// SPDX-License-Identifier: GPL-2.0
/*
 * An ordered queue of waiters for a scarce resource. When some of it may be
 * free, the first waiter is called. It checks, and stays in the queue if there
 * is none. When it has got some or gives up, it leaves, and the new first
 * waiter is called, because more may be free.
 */
#include "fault.h"
#include "queue.h"

/**
 * kproxy_queue_init() - set up an empty queue
 * @q: the queue
 */
void kproxy_queue_init(struct kproxy_queue *q)
{
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->waiters);
}

static void queue_wake(struct kproxy_queue *q)
{
	struct kproxy_waiter *first;

	lockdep_assert_held(&q->lock);
	first = list_first_entry_or_null(&q->waiters, struct kproxy_waiter,
					 node);
	if (first)
		first->wake(first);
}

/**
 * kproxy_queue_join() - join the end of a queue
 * @q: the queue
 * @waiter: the waiter, which must exist until kproxy_queue_leave()
 *
 * If the waiter is first, it is called here, because something may have become
 * free since it last checked. Anything freed later is reported by
 * kproxy_queue_wake(), which sees the waiter.
 *
 * Context: process.
 */
void kproxy_queue_join(struct kproxy_queue *q, struct kproxy_waiter *waiter)
{
	spin_lock(&q->lock);
	list_add_tail(&waiter->node, &q->waiters);
	WRITE_ONCE(q->nr, q->nr + 1);
	/* Pairs with the barrier in kproxy_queue_wake(). */
	smp_mb();
	queue_wake(q);
	spin_unlock(&q->lock);
}

/**
 * kproxy_queue_leave() - leave a queue
 * @q: the queue
 * @waiter: the waiter, which is in it
 *
 * Context: process.
 */
void kproxy_queue_leave(struct kproxy_queue *q, struct kproxy_waiter *waiter)
{
	spin_lock(&q->lock);
	list_del_init(&waiter->node);
	WRITE_ONCE(q->nr, q->nr - 1);
	queue_wake(q);
	spin_unlock(&q->lock);
}

/**
 * kproxy_queue_first() - check whether a waiter is first
 * @q: the queue
 * @waiter: the waiter, which is in it
 *
 * Context: process.
 * Return: true if no other waiter has waited longer.
 */
bool kproxy_queue_first(struct kproxy_queue *q,
			const struct kproxy_waiter *waiter)
{
	bool first;

	spin_lock(&q->lock);
	first = list_is_first(&waiter->node, &q->waiters);
	spin_unlock(&q->lock);
	return first;
}

/**
 * kproxy_queue_wake() - tell the first waiter that something may be free
 * @q: the queue
 *
 * Context: process.
 */
void kproxy_queue_wake(struct kproxy_queue *q)
{
	/* A waiter that joins after this sees what has become free. */
	smp_mb();
	if (kproxy_queue_empty(q))
		return;
	kproxy_fault_point(KPROXY_POINT_QUEUE_WAKE);
	spin_lock(&q->lock);
	queue_wake(q);
	spin_unlock(&q->lock);
}
