// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting in order for something of which there is not enough. The first one is
 * called when there may be some; it looks, and stays where it is when there is
 * none. When it has got some, or gives up, it leaves, and who is the first then
 * is called, because there may be more.
 */
#include "fault.h"
#include "queue.h"

/**
 * kproxy_queue_init() - make an empty queue
 * @q: the queue
 */
void kproxy_queue_init(struct kproxy_queue *q)
{
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->waiters);
}

static void queue_call(struct kproxy_queue *q)
{
	struct kproxy_waiter *first;

	lockdep_assert_held(&q->lock);
	first = list_first_entry_or_null(&q->waiters, struct kproxy_waiter,
					 node);
	if (first)
		first->turn(first);
}

/**
 * kproxy_queue_join() - wait behind those who wait
 * @q: the queue
 * @waiter: who waits, and goes away only after kproxy_queue_leave()
 *
 * Whatever has become free since it last looked, it is called, if it is first,
 * to look again: who frees something after that sees it here.
 *
 * Context: process.
 */
void kproxy_queue_join(struct kproxy_queue *q, struct kproxy_waiter *waiter)
{
	spin_lock(&q->lock);
	list_add_tail(&waiter->node, &q->waiters);
	WRITE_ONCE(q->nr, q->nr + 1);
	/* Pairs with that of kproxy_queue_call(). */
	smp_mb();
	queue_call(q);
	spin_unlock(&q->lock);
}

/**
 * kproxy_queue_leave() - wait no more
 * @q: the queue
 * @waiter: who is in it
 *
 * Context: process.
 */
void kproxy_queue_leave(struct kproxy_queue *q, struct kproxy_waiter *waiter)
{
	spin_lock(&q->lock);
	list_del_init(&waiter->node);
	WRITE_ONCE(q->nr, q->nr - 1);
	queue_call(q);
	spin_unlock(&q->lock);
}

/**
 * kproxy_queue_first() - whether it is somebody's turn
 * @q: the queue
 * @waiter: who is in it
 *
 * Context: process.
 * Return: true if nobody has waited longer.
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
 * kproxy_queue_call() - something may have become free
 * @q: the queue
 *
 * Context: process.
 */
void kproxy_queue_call(struct kproxy_queue *q)
{
	/* What has become free is seen by who joins after this. */
	smp_mb();
	if (kproxy_queue_empty(q))
		return;
	kproxy_fault_point(KPROXY_POINT_QUEUE_CALL);
	spin_lock(&q->lock);
	queue_call(q);
	spin_unlock(&q->lock);
}
