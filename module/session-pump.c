// SPDX-License-Identifier: GPL-2.0
/*
 * When a session's pumps run, and under which locks. Bytes move in softirq: in
 * the data_ready of the source, which holds the source's lock and only tries
 * for the destination's, or else in the pump work, which takes both in the
 * order of their addresses.
 */
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/random.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "fault.h"
#include "pump.h"
#include "session.h"
#include "session-event.h"
#include "session-pump.h"
#include "shared.h"
#include "trace.h"

/* Jiffies between two tries at most, while memory is short. */
#define RETRY_MAX ((unsigned long)(HZ / 8 ?: 1))

static const enum kproxy_reason failed_reason[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_REASON_CLIENT_RESET,
	[KPROXY_SERVER] = KPROXY_REASON_SERVER_RESET,
};

static const unsigned int bytes_counter[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_A_COUNTERS_BYTES_IN,
	[KPROXY_SERVER] = KPROXY_A_COUNTERS_BYTES_OUT,
};

/* Who does not take it is the other side. */
static const unsigned int stall_counter[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_A_COUNTERS_STALL_SERVER_US,
	[KPROXY_SERVER] = KPROXY_A_COUNTERS_STALL_CLIENT_US,
};

/**
 * kproxy_session_kick() - have one direction pumped soon
 * @s: the session, connected
 * @source: the source of the direction
 *
 * Context: any in which the session can't end: a callback of one of its
 * sockets, its timer or its life work.
 */
void kproxy_session_kick(struct kproxy_session *s, enum kproxy_side source)
{
	set_bit(KPROXY_SESSION_WANTED + source, &s->flags);
	/* Set once: both directions read the line that it is on. */
	if (!test_bit(KPROXY_SESSION_KICKED, &s->flags))
		set_bit(KPROXY_SESSION_KICKED, &s->flags);
	queue_work(kproxy_bh_wq, &s->pump_work);
}

/**
 * kproxy_session_kick_both() - have both directions pumped soon
 * @s: the session, connected
 *
 * Context: as kproxy_session_kick().
 */
void kproxy_session_kick_both(struct kproxy_session *s)
{
	set_bit(KPROXY_SESSION_WANTED + KPROXY_CLIENT, &s->flags);
	kproxy_session_kick(s, KPROXY_SERVER);
}

/**
 * kproxy_session_failed() - a socket has failed
 * @s: the session
 * @side: whose socket; whatever it had received is passed on first
 *
 * Context: as kproxy_session_kick().
 */
void kproxy_session_failed(struct kproxy_session *s, enum kproxy_side side)
{
	kproxy_fault_point(KPROXY_POINT_FAILED);
	if (!test_and_set_bit(KPROXY_SESSION_FAILED + side, &s->flags))
		kproxy_session_kick(s, side);
}

static void session_account(struct kproxy_session *s, enum kproxy_side source,
			    const struct kproxy_pump_moved *moved)
{
	u64 bytes = moved->spliced + moved->copied;

	if (!bytes)
		return;
	kproxy_stats_add(s->net_stats, bytes_counter[source], bytes);
	kproxy_stats_add(s->net_stats, KPROXY_A_COUNTERS_BYTES_SPLICED,
			 moved->spliced);
	kproxy_stats_add(s->net_stats, KPROXY_A_COUNTERS_BYTES_COPIED,
			 moved->copied);
	kproxy_stats_add(s->listener_stats, bytes_counter[source], bytes);
	kproxy_stats_add(s->server_stats, bytes_counter[source], bytes);
}

/**
 * kproxy_session_count_stall() - bring the counters up to date with a stall
 * @s: the session, held or kept from ending by the caller; it was connected
 * @source: the source of the direction
 *
 * Who lists counters and the end of a stall may come at the same time: what one
 * of them has added is in stall_counted.
 *
 * Context: any.
 */
void kproxy_session_count_stall(struct kproxy_session *s,
				enum kproxy_side source)
{
	u64 stalled = kproxy_pump_stalled(&s->pumps[source]);
	u64 counted = READ_ONCE(s->pumps[source].stall_counted);

	do {
		if (stalled <= counted)
			return;
	} while (!try_cmpxchg(&s->pumps[source].stall_counted, &counted,
			      stalled));
	stalled -= counted;
	kproxy_stats_add(s->net_stats, stall_counter[source], stalled);
	kproxy_stats_add(s->listener_stats, stall_counter[source], stalled);
	kproxy_stats_add(s->server_stats, stall_counter[source], stalled);
}

/* The destination has no room any more, or has room again. */
static void session_stall(struct kproxy_session *s, enum kproxy_side source,
			  bool full)
{
	struct kproxy_pump *pump = &s->pumps[source];
	s64 now = ktime_get_ns();

	if (full) {
		WRITE_ONCE(pump->stall, pump->stall - now);
		trace_kproxy_stall(s, !source);
		return;
	}
	WRITE_ONCE(pump->stall, pump->stall + now);
	kproxy_session_count_stall(s, source);
	trace_kproxy_resume(s, !source, pump->stall / NSEC_PER_USEC);
}

/**
 * kproxy_session_end_stalls() - no direction waits any more
 * @s: the session, whose pumps do not run any more
 *
 * Context: process.
 */
void kproxy_session_end_stalls(struct kproxy_session *s)
{
	enum kproxy_side source;

	for (source = KPROXY_CLIENT; source < KPROXY_SIDES; source++)
		if (kproxy_pump_stalls(&s->pumps[source]))
			session_stall(s, source, false);
}

/*
 * In how many jiffies to try again when memory was short: longer each time, and
 * not all sessions in the same tick.
 */
static unsigned long session_retry_pause(struct kproxy_pump *pump)
{
	unsigned long pause = min(1UL << pump->retries, RETRY_MAX);

	if (pause < RETRY_MAX)
		pump->retries++;
	return pause + get_random_u32_below(pause);
}

/* Bottom halves off; both sockets locked, the destination owned by nobody. */
static enum kproxy_pump_result session_run(struct kproxy_session *s,
					   enum kproxy_side source)
{
	struct kproxy_pump_moved moved = {};
	enum kproxy_pump_result result;
	bool full;

	if (unlikely(test_bit(KPROXY_SESSION_HELD + source, &s->flags)))
		clear_bit(KPROXY_SESSION_HELD + source, &s->flags);
	result = kproxy_pump_run(&s->pumps[source], s->ends[source].sk,
				 s->ends[!source].sk, &kproxy_pool, &moved);
	session_account(s, source, &moved);
	trace_kproxy_pump(s, source, &moved, result);
	/* Not when it goes on, so that a full destination costs no clock. */
	full = result == KPROXY_PUMP_FULL;
	if (unlikely(full != kproxy_pump_stalls(&s->pumps[source])))
		session_stall(s, source, full);
	switch (result) {
	case KPROXY_PUMP_EOF:
		kproxy_session_eof(s, source);
		break;
	case KPROXY_PUMP_BROKEN:
		kproxy_session_failed(s, !source);
		break;
	case KPROXY_PUMP_RETRY:
		set_bit(KPROXY_SESSION_RETRY, &s->flags);
		kproxy_fault_point(KPROXY_POINT_PUMP_RETRY);
		kproxy_session_look_at(s, jiffies +
				       session_retry_pause(&s->pumps[source]));
		break;
	case KPROXY_PUMP_YIELD:
		kproxy_session_kick(s, source);
		break;
	case KPROXY_PUMP_DRY:
	case KPROXY_PUMP_FULL:
		break;
	}
	return result;
}

/**
 * kproxy_session_news() - something happened to one end
 * @s: the session
 * @side: the end, its socket locked
 *
 * If the other end has failed and this one is still to get its last bytes, look
 * again. They may have been acknowledged, or this end may have sent on, or be
 * closed by now and never tell of space.
 *
 * Context: a callback of the socket.
 * Return: true if it was that, and nothing else is to be done.
 */
bool kproxy_session_news(struct kproxy_session *s, enum kproxy_side side)
{
	if (likely(!test_bit(KPROXY_SESSION_DRAINING, &s->flags)))
		return false;
	kproxy_session_kick(s, !side);
	return true;
}

static void session_set_hold_timer(struct kproxy_session *s, u64 us)
{
	hrtimer_start(&s->hold_timer, ns_to_ktime(us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_SOFT);
}

/*
 * Whether more of the stream should come before the pump runs. The source is
 * locked; its pump's hold is read without the destination's lock, and either of
 * what it was and what it is will do.
 */
static bool session_holds(struct kproxy_session *s, enum kproxy_side source)
{
	struct kproxy_pump *pump = &s->pumps[source];
	const struct sock *sk = s->ends[source].sk;

	if (sock_flag(sk, SOCK_DONE) ||
	    kproxy_sock_unread(sk) >= READ_ONCE(pump->hold.bytes))
		return false;
	if (test_bit(KPROXY_SESSION_HELD + source, &s->flags))
		return true;
	WRITE_ONCE(pump->held_since, tcp_sk(sk)->tcp_mstamp);
	set_bit(KPROXY_SESSION_HELD + source, &s->flags);
	/*
	 * Pairs with that of kproxy_session_hold_timer(): either this finds that
	 * the timer is not queued, or the timer finds the bit.
	 */
	smp_mb__after_atomic();
	kproxy_fault_point(KPROXY_POINT_HOLD);
	trace_kproxy_hold(s, source);
	if (!hrtimer_is_queued(&s->hold_timer))
		session_set_hold_timer(s, READ_ONCE(pump->hold.us));
	return true;
}

/* Microseconds that a direction may still be held, 0 if it must not. */
static u32 session_hold_left(const struct kproxy_session *s,
			     enum kproxy_side source)
{
	u32 now = div_u64(ktime_get_ns(), NSEC_PER_USEC);
	s32 left = READ_ONCE(s->pumps[source].held_since) +
		   READ_ONCE(s->pumps[source].hold.us) - now;

	return max(left, 0);
}

/**
 * kproxy_session_hold_timer() - has anything been held back for too long?
 * @timer: the session's
 *
 * Bytes that move do not touch it, so that it may find what is held since then.
 *
 * Context: softirq.
 * Return: HRTIMER_NORESTART.
 */
enum hrtimer_restart kproxy_session_hold_timer(struct hrtimer *timer)
{
	struct kproxy_session *s =
		container_of(timer, struct kproxy_session, hold_timer);
	u32 next = U32_MAX, left;
	enum kproxy_side side;

	/*
	 * Pairs with that of session_holds(): the timer was marked as no longer
	 * queued before this, and the bits are read after it.
	 */
	smp_mb();
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		if (!test_bit(KPROXY_SESSION_HELD + side, &s->flags))
			continue;
		kproxy_fault_point(KPROXY_POINT_HOLD_TIMER);
		left = session_hold_left(s, side);
		if (left) {
			next = min(next, left);
			continue;
		}
		set_bit(KPROXY_SESSION_IN_VAIN + side, &s->flags);
		kproxy_session_kick(s, side);
	}
	/* By itself it may not restart: others may have started it by now. */
	if (next != U32_MAX)
		session_set_hold_timer(s, next);
	return HRTIMER_NORESTART;
}

/**
 * kproxy_session_data_ready() - data or the end of a stream has come
 * @s: the session
 * @source: where it has come; that socket is locked, by its spinlock or by this
 *	process, which then works off the backlog
 *
 * The destination's lock may be held by one who wants the source's, so it is
 * only tried for.
 *
 * Context: a callback of the socket.
 */
void kproxy_session_data_ready(struct kproxy_session *s,
			       enum kproxy_side source)
{
	enum kproxy_state state = READ_ONCE(s->state);
	struct sock *dst;

	if (unlikely(!kproxy_state_connected(state))) {
		/* What the client must say first is read by the life work. */
		if (state == KPROXY_GREETING)
			kproxy_session_schedule_life(s);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_DATA_READY);
	if (unlikely(kproxy_session_news(s, source)))
		return;
	if (unlikely(READ_ONCE(s->pumps[source].hold.bytes)) &&
	    session_holds(s, source))
		return;

	dst = s->ends[!source].sk;
	local_bh_disable();
	if (unlikely(!spin_trylock(&dst->sk_lock.slock)))
		goto busy;
	if (unlikely(sock_owned_by_user_nocheck(dst))) {
		spin_unlock(&dst->sk_lock.slock);
		goto busy;
	}
	session_run(s, source);
	kproxy_stats_inc(s->net_stats, KPROXY_A_COUNTERS_PUMPS_INLINE);
	spin_unlock(&dst->sk_lock.slock);
	local_bh_enable();
	return;

busy:
	kproxy_fault_point(KPROXY_POINT_DATA_BUSY);
	set_bit(KPROXY_SESSION_DEFERRED + source, &s->flags);
	kproxy_session_kick(s, source);
	local_bh_enable();
}

/**
 * kproxy_session_write_space() - a socket that was full has room
 * @s: the session
 * @side: whose socket, which is locked
 *
 * It is called from inside of sending, so that pumping is left to the pump work.
 *
 * Context: a callback of the socket.
 */
void kproxy_session_write_space(struct kproxy_session *s,
				enum kproxy_side side)
{
	const struct kproxy_pump *pump = &s->pumps[!side];
	struct sock *sk = s->ends[side].sk;

	if (pump->sending)
		return;
	if (kproxy_session_news(s, side))
		return;
	if (pump->full && sk_stream_is_writeable(sk)) {
		kproxy_fault_point(KPROXY_POINT_WRITE_SPACE);
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		kproxy_session_kick(s, !side);
	}
}

/*
 * One end has failed: after what it had received, and only when the other has
 * acknowledged it, the other is reset, as it would have been without a proxy.
 * It is reset at once when it sends on, for nobody is there to hear it. Both
 * sockets are locked.
 */
static void session_drain(struct kproxy_session *s, enum kproxy_side failed)
{
	struct sock *dst = s->ends[!failed].sk;
	enum kproxy_pump_result result;

	result = session_run(s, failed);
	kproxy_fault_point(KPROXY_POINT_DRAIN);
	/* What a closed socket had not sent still counts as in its queue. */
	if (result == KPROXY_PUMP_BROKEN || dst->sk_state == TCP_CLOSE ||
	    test_bit(KPROXY_SESSION_FAILED + !failed, &s->flags) ||
	    kproxy_sock_unread(dst) ||
	    (result != KPROXY_PUMP_FULL && result != KPROXY_PUMP_RETRY &&
	     result != KPROXY_PUMP_YIELD &&
	     tcp_rtx_and_write_queues_empty(dst))) {
		kproxy_session_event(s, KPROXY_EV_RESET, failed_reason[failed]);
		return;
	}
	set_bit(SOCK_NOSPACE, &dst->sk_socket->flags);
	if (test_and_set_bit(KPROXY_SESSION_DRAINING, &s->flags))
		return;
	WRITE_ONCE(s->step_by, jiffies + kproxy_session_drain_time(s));
	kproxy_session_look_at(s, s->step_by);
}

/* Both sockets are locked. */
static void session_held_in_vain(struct kproxy_session *s,
				 enum kproxy_side source, u32 came)
{
	struct kproxy_pump *pump = &s->pumps[source];

	trace_kproxy_late(s, source);
	kproxy_hold_in_vain(&pump->hold, came, kproxy_pump_bytes(pump),
			    tcp_sk(s->ends[source].sk)->tcp_mstamp);
}

static void session_pump_wanted(struct kproxy_session *s)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		u64 before = kproxy_pump_bytes(&s->pumps[side]);
		bool deferred;

		if (!test_and_clear_bit(KPROXY_SESSION_WANTED + side, &s->flags))
			continue;
		deferred = test_and_clear_bit(KPROXY_SESSION_DEFERRED + side,
					      &s->flags);
		kproxy_stats_inc(s->net_stats,
				 deferred ? KPROXY_A_COUNTERS_PUMPS_DEFERRED :
					    KPROXY_A_COUNTERS_PUMPS_INLINE);
		session_run(s, side);
		if (test_and_clear_bit(KPROXY_SESSION_IN_VAIN + side, &s->flags))
			session_held_in_vain(s, side,
					     kproxy_pump_bytes(&s->pumps[side]) -
					     before);
	}
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (unlikely(test_bit(KPROXY_SESSION_FAILED + side, &s->flags)))
			session_drain(s, side);
}

/*
 * The client's first bytes are passed on: what comes after them is acknowledged as
 * by any other socket. Both sockets are locked.
 */
static void session_ack_soon(struct kproxy_session *s)
{
	if (likely(!test_bit(KPROXY_SESSION_LATE_ACKS, &s->flags)))
		return;
	clear_bit(KPROXY_SESSION_LATE_ACKS, &s->flags);
	kproxy_sock_ack_soon(s->ends[KPROXY_CLIENT].sk);
}

/* Take both sockets' locks, in the order of their addresses, and pump. */
static void session_pump_locked(struct kproxy_session *s)
{
	struct sock *a = s->ends[KPROXY_CLIENT].sk;
	struct sock *b = s->ends[KPROXY_SERVER].sk;

	if (!kproxy_state_connected(READ_ONCE(s->state)))
		return;
	kproxy_fault_point(KPROXY_POINT_PUMP_LOCK);
	if (a > b)
		swap(a, b);
	bh_lock_sock(a);
	bh_lock_sock_nested(b);
	if (likely(!sock_owned_by_user_nocheck(a) &&
		   !sock_owned_by_user_nocheck(b))) {
		session_pump_wanted(s);
		session_ack_soon(s);
	} else {
		kproxy_fault_point(KPROXY_POINT_PUMP_OWNED);
		set_bit(KPROXY_SESSION_OWNED, &s->flags);
		kproxy_session_schedule_life(s);
	}
	bh_unlock_sock(b);
	bh_unlock_sock(a);
}

/**
 * kproxy_session_pump_work() - pump what is wanted
 * @work: the session's pump work
 *
 * Context: softirq.
 */
void kproxy_session_pump_work(struct work_struct *work)
{
	session_pump_locked(container_of(work, struct kproxy_session,
					 pump_work));
}

/**
 * kproxy_session_pump() - pump both directions now
 * @s: the session, connected, its life locked
 *
 * Context: process; it owns neither socket.
 */
void kproxy_session_pump(struct kproxy_session *s)
{
	set_bit(KPROXY_SESSION_WANTED + KPROXY_CLIENT, &s->flags);
	set_bit(KPROXY_SESSION_WANTED + KPROXY_SERVER, &s->flags);
	local_bh_disable();
	session_pump_locked(s);
	local_bh_enable();
}
