// SPDX-License-Identifier: GPL-2.0
/*
 * Paced drain: a listener that no longer accepts has its sessions ended at a
 * steady rate, so that its clients don't all reconnect at once. One work per
 * namespace checks a few times a second how many should have ended by now.
 * Nobody has to wait for it.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "drain.h"
#include "fault.h"
#include "listener.h"
#include "root.h"
#include "session-table.h"
#include "shared.h"

#define DRAIN_TICK (HZ / 20 ?: 1)

/* How many sessions should have been ended after @elapsed milliseconds. */
static unsigned int drain_due(const struct kproxy_drain *drain,
			      unsigned int elapsed)
{
	u64 due;

	if (drain->deadline && elapsed >= drain->deadline)
		return UINT_MAX;
	if (drain->rate)
		due = div_u64((u64)drain->rate * elapsed, MSEC_PER_SEC);
	else
		due = div_u64((u64)drain->total * elapsed, drain->deadline);
	return min_t(u64, due, UINT_MAX);
}

/*
 * Each step resumes the walk of the last one, so that all steps together visit
 * each session about once. Return whether sessions are left.
 */
static bool drain_step(struct kproxy_listener *l)
{
	struct kproxy_drain *drain = &l->drain;
	unsigned int due, more, killed;

	if (!atomic_read(&l->obj.sessions))
		return false;
	due = drain_due(drain, jiffies_to_msecs(jiffies - drain->began));
	kproxy_fault_point(KPROXY_POINT_DRAIN_STEP);
	if (due <= drain->killed)
		return true;
	more = due - drain->killed;
	killed = kproxy_session_kill_some(&drain->walk, l, more);
	drain->killed += killed;
	if (killed < more) {
		/* Sessions may have been missed: walk again. */
		kproxy_session_walk_exit(&drain->walk);
		kproxy_session_walk_init(&drain->walk, l->obj.kn);
	}
	return true;
}

/* Return the next listener; release @l if its drain is over. */
static struct kproxy_listener *drain_next(struct kproxy_net *kn,
					  struct kproxy_listener *l, bool over)
{
	struct kproxy_listener *next;

	mutex_lock(&kn->lock);
	if (list_is_last(&l->obj.node, &kn->draining))
		next = NULL;
	else
		next = list_next_entry(l, obj.node);
	if (over) {
		list_del(&l->obj.node);
		kproxy_session_walk_exit(&l->drain.walk);
		kproxy_listener_put(l);
	}
	mutex_unlock(&kn->lock);
	return next;
}

/*
 * While this work runs, nothing else removes listeners from the list, so the
 * walks need no lock.
 */
static void drain_work(struct work_struct *work)
{
	struct kproxy_net *kn = container_of(to_delayed_work(work),
					     struct kproxy_net, drain);
	struct kproxy_listener *l;
	bool left = false, more;

	mutex_lock(&kn->lock);
	l = list_first_entry_or_null(&kn->draining, struct kproxy_listener,
				     obj.node);
	mutex_unlock(&kn->lock);
	while (l) {
		more = drain_step(l);
		left |= more;
		l = drain_next(kn, l, !more);
	}
	if (left)
		queue_delayed_work(kproxy_wq, &kn->drain, DRAIN_TICK);
}

/**
 * kproxy_drain_init() - set up draining for a namespace
 * @kn: the namespace's root
 */
void kproxy_drain_init(struct kproxy_net *kn)
{
	INIT_LIST_HEAD(&kn->draining);
	INIT_DELAYED_WORK(&kn->drain, drain_work);
}

/**
 * kproxy_drain_start() - start ending a listener's sessions
 * @l: the listener, its namespace's lock held; it is in no list and no longer
 *	accepts; the caller's reference passes to the drain
 * @rate: sessions per second, 0 for as many as the deadline needs
 * @deadline: when all are ended, in milliseconds, 0 for never; not both 0
 *
 * Context: process.
 */
void kproxy_drain_start(struct kproxy_listener *l, unsigned int rate,
			unsigned int deadline)
{
	struct kproxy_net *kn = l->obj.kn;

	lockdep_assert_held(&kn->lock);
	l->drain = (struct kproxy_drain){
		.rate = rate,
		.deadline = deadline,
		.began = jiffies,
		.total = atomic_read(&l->obj.sessions),
	};
	kproxy_session_walk_init(&l->drain.walk, kn);
	list_add_tail(&l->obj.node, &kn->draining);
	queue_delayed_work(kproxy_wq, &kn->drain, DRAIN_TICK);
}

/**
 * kproxy_drain_stop() - stop draining
 * @kn: the namespace's root, which can no longer be configured
 *
 * Context: process, sleeps until the work is done.
 */
void kproxy_drain_stop(struct kproxy_net *kn)
{
	struct kproxy_listener *l, *next;

	disable_delayed_work_sync(&kn->drain);
	mutex_lock(&kn->lock);
	list_for_each_entry_safe(l, next, &kn->draining, obj.node) {
		list_del(&l->obj.node);
		kproxy_session_walk_exit(&l->drain.walk);
		kproxy_listener_put(l);
	}
	mutex_unlock(&kn->lock);
}
