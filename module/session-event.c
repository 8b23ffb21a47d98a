// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to a session, and when its time is over: changes of its state,
 * which may come from anywhere, and what follows from one at once. All that
 * takes longer is left to the life work.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <net/sock.h>

#include "fault.h"
#include "listener.h"
#include "quota.h"
#include "root.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-splice.h"
#include "shared.h"
#include "trace.h"
#include "upstream.h"

static const enum kproxy_event eof_event[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_EV_EOF_IN,
	[KPROXY_SERVER] = KPROXY_EV_EOF_OUT,
};

static const enum kproxy_reason eof_reason[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_REASON_CLIENT_FIN,
	[KPROXY_SERVER] = KPROXY_REASON_SERVER_FIN,
};

static void session_free_rcu(struct rcu_head *rcu)
{
	struct kproxy_session *s = container_of(rcu, struct kproxy_session, rcu);

	if (s->splice)
		kproxy_quota_user_put(s->splice->user);
	kfree(s->splice);
	kfree(s->sni);
	kproxy_pool_put(&kproxy_pool, s);
}

/**
 * kproxy_session_put() - drop a reference
 * @s: the session
 *
 * Context: any; the last one without the lock on its life.
 */
void kproxy_session_put(struct kproxy_session *s)
{
	struct kproxy_net *kn = s->kn;
	struct kproxy_server *server;
	bool ending;

	if (!refcount_dec_and_test(&s->refs))
		return;
	server = rcu_dereference_protected(s->server, true);
	if (server)
		kproxy_server_put(server);
	if (s->upstream)
		kproxy_upstream_put(s->upstream);
	if (s->listener)
		kproxy_listener_put(s->listener);
	mutex_destroy(&s->life);
	call_rcu(&s->rcu, session_free_rcu);
	ending = READ_ONCE(kn->ending);
	/* Pairs with that of kproxy_session_kill_all(): all is done before. */
	smp_mb();
	this_cpu_dec(kn->cpus->live);
	/* The namespace may go away right after; its address is all we use. */
	if (likely(!ending))
		return;
	/* wake_up_var() looks for waiters after the count. */
	smp_mb();
	wake_up_var(&kn->ending);
}

/**
 * kproxy_session_schedule_life() - have the next step of its life done
 * @s: the session, held or kept from ending by the caller
 *
 * Context: any.
 */
void kproxy_session_schedule_life(struct kproxy_session *s)
{
	refcount_inc(&s->refs);
	if (!queue_work(s->splice ? kproxy_quota_user_wq(s->splice->user) :
					kproxy_wq,
			&s->life_work))
		kproxy_session_put(s);
}

/*
 * The first end of stream is the reason, unless something else ends the
 * session in the end. Only one event makes the state final.
 */
static void session_set_reason(struct kproxy_session *s, enum kproxy_state state,
			       enum kproxy_reason reason)
{
	if (reason == KPROXY_REASON_NONE)
		return;
	if (kproxy_state_final(state))
		WRITE_ONCE(s->reason, reason);
	else
		cmpxchg(&s->reason, KPROXY_REASON_NONE, reason);
}

/**
 * kproxy_session_arm_by() - have the timer look at a session, at the latest
 * then
 * @s: the session
 * @when: jiffies; has no effect if the timer is set for an earlier time
 *
 * timer_reduce() looks without a lock whether the timer is queued, which it is
 * until its function begins. What the caller has changed must be seen there.
 *
 * Context: any in which the session can't end.
 */
void kproxy_session_arm_by(struct kproxy_session *s, unsigned long when)
{
	/* Pairs with that of session_timer(). */
	smp_mb();
	timer_reduce(&s->timer, when);
}

/* Act on a change of state that the caller has made. */
static void session_state_changed(struct kproxy_session *s,
				  enum kproxy_state old, enum kproxy_state new,
				  enum kproxy_event event,
				  enum kproxy_reason reason)
{
	session_set_reason(s, new, reason);
	trace_kproxy_state(s, old, new, event);
	if (kproxy_state_final(new)) {
		kproxy_fault_point(KPROXY_POINT_EVENT_FINAL);
		/* pairs with that of session_life_work() */
		smp_mb__before_atomic();
		set_bit(KPROXY_SESSION_FINAL, &s->flags);
		kproxy_session_schedule_life(s);
	} else if (new >= KPROXY_CLOSING_IN && s->times.fin) {
		kproxy_fault_point(KPROXY_POINT_EVENT_TIMER);
		kproxy_session_arm_by(s, jiffies + s->times.fin);
	}
}

/**
 * kproxy_session_event() - tell a session what has happened
 * @s: the session, held or kept from ending by the caller
 * @event: what has happened
 * @reason: why the session ends, if it does so by this
 *
 * Context: any.
 * Return: true if that changed the session's state.
 */
bool kproxy_session_event(struct kproxy_session *s, enum kproxy_event event,
			  enum kproxy_reason reason)
{
	int old = READ_ONCE(s->state), new;

	do {
		new = kproxy_state_next(old, event);
		if (new == old)
			return false;
		kproxy_fault_point(KPROXY_POINT_EVENT);
	} while (!try_cmpxchg(&s->state, &old, new));

	session_state_changed(s, old, new, event, reason);
	return true;
}

/**
 * kproxy_session_event_in() - tell a session what follows from its state
 * @s: the session, held or kept from ending by the caller
 * @state: the state that it was in
 * @event: what has happened
 * @reason: why the session ends, if it does so by this
 *
 * Context: any.
 * Return: true if that changed its state; false also when it was another
 * already.
 */
bool kproxy_session_event_in(struct kproxy_session *s, enum kproxy_state state,
			     enum kproxy_event event,
			     enum kproxy_reason reason)
{
	int old = state, new = kproxy_state_next(state, event);

	kproxy_fault_point(KPROXY_POINT_EVENT);
	if (new == old || !try_cmpxchg(&s->state, &old, new))
		return false;
	session_state_changed(s, state, new, event, reason);
	return true;
}

/**
 * kproxy_session_connect_us() - how long it took until a server had answered
 * @s: the session, its life locked
 *
 * Context: any.
 * Return: microseconds since the client was accepted, 0 when none did.
 */
u64 kproxy_session_connect_us(const struct kproxy_session *s)
{
	if (!s->connected)
		return 0;
	return ktime_us_delta(s->connected, s->began_mono);
}

static bool session_both_closed(const struct kproxy_session *s)
{
	return test_bit(KPROXY_SESSION_CLOSED + KPROXY_CLIENT, &s->flags) &&
	       test_bit(KPROXY_SESSION_CLOSED + KPROXY_SERVER, &s->flags);
}

/**
 * kproxy_session_socket_changed() - check whether a socket has closed
 * @s: the session
 * @side: whose socket it is, which is locked
 *
 * Both may close at the same time, and before the session lingers: whoever sets
 * a bit or the state, which are full barriers, looks at all of them after that,
 * so that one sees the last.
 *
 * Context: a callback of that socket.
 */
void kproxy_session_socket_changed(struct kproxy_session *s,
				   enum kproxy_side side)
{
	if (s->socks[side].sk->sk_state != TCP_CLOSE ||
	    test_and_set_bit(KPROXY_SESSION_CLOSED + side, &s->flags))
		return;
	kproxy_fault_point(KPROXY_POINT_SOCKET_CHANGED);
	if (session_both_closed(s))
		kproxy_session_event(s, KPROXY_EV_CLOSED, KPROXY_REASON_NONE);
}

/**
 * kproxy_session_eof() - the end of a stream was passed on
 * @s: the session, both its sockets locked
 * @from: where the stream came from
 *
 * Context: softirq, or the life work with bottom halves off.
 */
void kproxy_session_eof(struct kproxy_session *s, enum kproxy_side from)
{
	kproxy_fault_point(KPROXY_POINT_EOF);
	kproxy_session_event(s, eof_event[from], eof_reason[from]);
	kproxy_fault_point(KPROXY_POINT_BOTH_CLOSED);
	if (session_both_closed(s))
		kproxy_session_event(s, KPROXY_EV_CLOSED, KPROXY_REASON_NONE);
}

static void deadline_min(unsigned long *deadline, bool *any,
			 unsigned long from, unsigned long timeout)
{
	if (!timeout)
		return;
	if (!*any || time_before(from + timeout, *deadline))
		*deadline = from + timeout;
	*any = true;
}

static unsigned long later(unsigned long a, unsigned long b)
{
	return time_after(a, b) ? a : b;
}

/**
 * kproxy_session_progress() - when a byte has moved last
 * @s: the session, whose two sockets are there to look at
 *
 * A byte moves when a pump passes it on, and once more when the peer has
 * acknowledged it: a peer that takes what is queued for it slowly is not idle.
 *
 * Context: any in which the session can't end.
 * Return: jiffies.
 */
unsigned long kproxy_session_progress(const struct kproxy_session *s)
{
	unsigned long last = s->began, acked;
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		last = later(last, READ_ONCE(s->pumps[side].last));
		if (kproxy_sock_acked(s->socks[side].sk, &acked))
			last = later(last, acked);
	}
	return last;
}

/**
 * kproxy_session_deadline() - when a session's time is over as it is now
 * @s: the session
 * @state: its state
 * @deadline: where that goes, in jiffies
 *
 * Context: any in which the session can't end.
 * Return: false for never.
 */
bool kproxy_session_deadline(const struct kproxy_session *s,
			     enum kproxy_state state, unsigned long *deadline)
{
	unsigned long last, flush;
	bool any = false;

	deadline_min(deadline, &any, s->began, s->times.age);
	if (kproxy_state_early(state)) {
		deadline_min(deadline, &any, READ_ONCE(s->step_by) - 1, 1);
		return any;
	}
	last = kproxy_session_progress(s);
	deadline_min(deadline, &any, last, state == KPROXY_ESTABLISHED ?
						   s->times.idle :
						   s->times.fin);
	if (test_bit(KPROXY_SESSION_FLUSHING, &s->flags)) {
		flush = kproxy_session_flush_time(s);
		last = later(last, READ_ONCE(s->step_by) - flush);
		deadline_min(deadline, &any, last, flush);
	}
	return any;
}

/**
 * kproxy_session_arm() - have the timer look when the session's time is over
 * @s: the session; the time-out of its state may have restarted
 *
 * Context: any in which the session can't end.
 */
void kproxy_session_arm(struct kproxy_session *s)
{
	enum kproxy_state state = READ_ONCE(s->state);
	unsigned long deadline;

	if (!kproxy_state_final(state) &&
	    kproxy_session_deadline(s, state, &deadline))
		kproxy_session_arm_by(s, deadline);
}
