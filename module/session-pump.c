// SPDX-License-Identifier: GPL-2.0
/*
 * Decides when a session's pumps run, and under which locks. Bytes move in
 * softirq: either in the from socket's data_ready, or in the pump work.
 * data_ready holds the from socket's lock, so it may only try the to socket's.
 * The pump work takes both, in address order.
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
#include "session-splice.h"
#include "shared.h"
#include "trace.h"

/* Longest pause between retries while memory is short, without jitter. */
#define RETRY_MAX ((unsigned long)(HZ / 8 ?: 1))

static const enum kproxy_reason failed_reason[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_REASON_CLIENT_RESET,
	[KPROXY_SERVER] = KPROXY_REASON_SERVER_RESET,
};

static const unsigned int bytes_counter[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_A_COUNTERS_BYTES_IN,
	[KPROXY_SERVER] = KPROXY_A_COUNTERS_BYTES_OUT,
};

/* Bytes from one side stall when the other side has no room for them. */
static const unsigned int stall_counter[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_A_COUNTERS_STALL_SERVER_US,
	[KPROXY_SERVER] = KPROXY_A_COUNTERS_STALL_CLIENT_US,
};

/**
 * kproxy_session_kick() - queue a run of one direction
 * @s: the session, connected
 * @from: the side that the direction reads from
 *
 * Context: any in which the session can't end: a callback of one of its
 * sockets, its timer or its life work.
 */
void kproxy_session_kick(struct kproxy_session *s, enum kproxy_side from)
{
	set_bit(KPROXY_PUMP_WANTED, &s->pumps[from].flags);
	/* Don't dirty the cache line again: both directions read it. */
	if (!test_bit(KPROXY_SESSION_KICKED, &s->flags))
		set_bit(KPROXY_SESSION_KICKED, &s->flags);
	queue_work(kproxy_bh_wq, &s->pump_work);
}

/**
 * kproxy_session_kick_both() - queue a run of both directions
 * @s: the session, connected
 *
 * Context: as kproxy_session_kick().
 */
void kproxy_session_kick_both(struct kproxy_session *s)
{
	set_bit(KPROXY_PUMP_WANTED, &s->pumps[KPROXY_CLIENT].flags);
	kproxy_session_kick(s, KPROXY_SERVER);
}

/**
 * kproxy_session_failed() - handle a failed socket
 * @s: the session
 * @side: the side whose socket failed; its received bytes are flushed first
 *
 * Context: as kproxy_session_kick().
 */
void kproxy_session_failed(struct kproxy_session *s, enum kproxy_side side)
{
	kproxy_fault_point(KPROXY_POINT_FAILED);
	if (!test_and_set_bit(KPROXY_SESSION_FAILED + side, &s->flags))
		kproxy_session_kick(s, side);
}

static void session_account(struct kproxy_session *s, enum kproxy_side from,
			    const struct kproxy_pump_moved *moved)
{
	u64 bytes = moved->spliced + moved->copied;

	if (!bytes)
		return;
	kproxy_stats_add(s->net_stats, bytes_counter[from], bytes);
	kproxy_stats_add(s->net_stats, KPROXY_A_COUNTERS_BYTES_SPLICED,
			 moved->spliced);
	kproxy_stats_add(s->net_stats, KPROXY_A_COUNTERS_BYTES_COPIED,
			 moved->copied);
	kproxy_stats_add(s->listener_stats, bytes_counter[from], bytes);
	kproxy_stats_add(s->server_stats, bytes_counter[from], bytes);
}

/**
 * kproxy_session_count_stall() - add a stall's duration so far to the counters
 * @s: the session, referenced or kept from ending by the caller; it was
 *	connected
 * @from: the side that the direction reads from
 *
 * A counter dump can race with the end of a stall, so stall_counted records
 * what has been added so far.
 *
 * Context: any.
 */
void kproxy_session_count_stall(struct kproxy_session *s,
				enum kproxy_side from)
{
	u64 stalled = kproxy_pump_stalled(&s->pumps[from]);
	u64 counted = READ_ONCE(s->pumps[from].stall_counted);

	do {
		if (stalled <= counted)
			return;
	} while (!try_cmpxchg(&s->pumps[from].stall_counted, &counted,
			      stalled));
	stalled -= counted;
	kproxy_stats_add(s->net_stats, stall_counter[from], stalled);
	kproxy_stats_add(s->listener_stats, stall_counter[from], stalled);
	kproxy_stats_add(s->server_stats, stall_counter[from], stalled);
}

/* The to socket has run out of room, or has room again. */
static void session_stall(struct kproxy_session *s, enum kproxy_side from,
			  bool full)
{
	struct kproxy_pump *pump = &s->pumps[from];
	s64 now = ktime_get_ns();

	if (full) {
		WRITE_ONCE(pump->stall, pump->stall - now);
		trace_kproxy_stall(s, !from);
		return;
	}
	WRITE_ONCE(pump->stall, pump->stall + now);
	kproxy_session_count_stall(s, from);
	trace_kproxy_resume(s, !from, pump->stall / NSEC_PER_USEC);
}

/**
 * kproxy_session_end_stalls() - end and count the stalls of a session
 * @s: the session, whose pumps no longer run
 *
 * Context: process.
 */
void kproxy_session_end_stalls(struct kproxy_session *s)
{
	enum kproxy_side from;

	for (from = KPROXY_CLIENT; from < KPROXY_SIDES; from++)
		if (kproxy_pump_stalls(&s->pumps[from]))
			session_stall(s, from, false);
}

/*
 * Jiffies until the next retry after memory was short. The pause grows with
 * each retry and is randomised, so that sessions don't all retry in the same
 * tick.
 */
static unsigned long session_retry_pause(struct kproxy_pump *pump)
{
	unsigned long pause = min(1UL << pump->retries, RETRY_MAX);

	if (pause < RETRY_MAX)
		pump->retries++;
	return pause + get_random_u32_below(pause);
}

/*
 * Bottom halves off; both sockets locked, the to socket not owned by a
 * process.
 */
static enum kproxy_pump_result session_run(struct kproxy_session *s,
					   enum kproxy_side from)
{
	struct kproxy_pump_moved moved = {};
	enum kproxy_pump_result result;
	bool full;

	if (unlikely(test_bit(KPROXY_SESSION_SPLICE, &s->flags)) &&
	    !kproxy_splice_runs(s))
		return KPROXY_PUMP_DRY;
	if (unlikely(test_bit(KPROXY_PUMP_COALESCING, &s->pumps[from].flags)))
		clear_bit(KPROXY_PUMP_COALESCING, &s->pumps[from].flags);
	result = kproxy_pump_run(&s->pumps[from], s->socks[from].sk,
				 s->socks[!from].sk, &kproxy_pool, &moved);
	session_account(s, from, &moved);
	trace_kproxy_pump(s, from, &moved, result);
	/* Only on a change, so that a continued stall reads no clock. */
	full = result == KPROXY_PUMP_FULL;
	if (unlikely(full != kproxy_pump_stalls(&s->pumps[from])))
		session_stall(s, from, full);
	switch (result) {
	case KPROXY_PUMP_EOF:
		kproxy_session_eof(s, from);
		if (unlikely(s->splice))
			kproxy_splice_passed(s, from, result);
		break;
	case KPROXY_PUMP_LIMIT:
		kproxy_splice_passed(s, from, result);
		break;
	case KPROXY_PUMP_BROKEN:
		if (unlikely(s->splice) && kproxy_splice_shut(s, from))
			kproxy_splice_passed(s, from, result);
		else
			kproxy_session_failed(s, !from);
		break;
	case KPROXY_PUMP_RETRY:
		set_bit(KPROXY_SESSION_RETRY, &s->flags);
		kproxy_fault_point(KPROXY_POINT_PUMP_RETRY);
		kproxy_session_arm_by(s, jiffies +
				      session_retry_pause(&s->pumps[from]));
		break;
	case KPROXY_PUMP_YIELD:
		kproxy_session_kick(s, from);
		break;
	case KPROXY_PUMP_DRY:
	case KPROXY_PUMP_FULL:
		break;
	}
	return result;
}

/**
 * kproxy_session_kick_flush() - continue a flush after an event on one socket
 * @s: the session
 * @side: the side of the socket, which is locked
 *
 * If the other socket has failed and its bytes are being flushed to this one,
 * check again. This peer may have acknowledged them, or sent more. It may also
 * have closed, after which write_space is never called.
 *
 * Context: a callback of the socket.
 * Return: true if a flush is under way, so that the caller has nothing else to
 * do.
 */
bool kproxy_session_kick_flush(struct kproxy_session *s, enum kproxy_side side)
{
	if (likely(!test_bit(KPROXY_SESSION_FLUSHING, &s->flags)))
		return false;
	kproxy_session_kick(s, !side);
	return true;
}

static void session_set_coalesce_timer(struct kproxy_session *s, u64 us)
{
	hrtimer_start(&s->coalesce_timer, ns_to_ktime(us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_SOFT);
}

/*
 * Return true if the pump should wait until more of the stream has come. The
 * from socket is locked. @coalesce is read without the to socket's lock,
 * because the old and the new value both do.
 */
static bool session_coalesces(struct kproxy_session *s, enum kproxy_side from)
{
	struct kproxy_pump *pump = &s->pumps[from];
	const struct sock *sk = s->socks[from].sk;

	if (sock_flag(sk, SOCK_DONE) ||
	    kproxy_sock_unread(sk) >= READ_ONCE(pump->coalesce.bytes) ||
	    (pump->limited && kproxy_sock_unread(sk) >= READ_ONCE(pump->left)))
		return false;
	if (test_bit(KPROXY_PUMP_COALESCING, &s->pumps[from].flags))
		return true;
	WRITE_ONCE(pump->coalesce.since, tcp_sk(sk)->tcp_mstamp);
	set_bit(KPROXY_PUMP_COALESCING, &s->pumps[from].flags);
	/*
	 * Pairs with the barrier in kproxy_session_coalesce_timer(): either
	 * this sees that the timer is not queued, or the timer sees the bit.
	 */
	smp_mb__after_atomic();
	kproxy_fault_point(KPROXY_POINT_COALESCE);
	trace_kproxy_coalesce(s, from);
	if (!hrtimer_is_queued(&s->coalesce_timer))
		session_set_coalesce_timer(s, READ_ONCE(pump->coalesce.us));
	return true;
}

/* Microseconds that a direction may still be coalesced, 0 if none are left. */
static u32 session_coalesce_left(const struct kproxy_session *s,
				 enum kproxy_side from)
{
	u32 now = div_u64(ktime_get_ns(), NSEC_PER_USEC);
	s32 left = READ_ONCE(s->pumps[from].coalesce.since) +
		   READ_ONCE(s->pumps[from].coalesce.us) - now;

	return max(left, 0);
}

/**
 * kproxy_session_coalesce_timer() - run the pumps that were coalesced for too
 * long
 * @timer: the session's coalesce timer
 *
 * Runs of the pump don't touch the timer. Therefore it may find a direction
 * whose coalescing began only after the timer was started.
 *
 * Context: softirq.
 * Return: HRTIMER_NORESTART.
 */
enum hrtimer_restart kproxy_session_coalesce_timer(struct hrtimer *timer)
{
	struct kproxy_session *s =
		container_of(timer, struct kproxy_session, coalesce_timer);
	u32 next = U32_MAX, left;
	enum kproxy_side side;

	/*
	 * Pairs with the barrier in session_coalesces(): the timer was marked
	 * as no longer queued before it, and the bits are read after it.
	 */
	smp_mb();
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		if (!test_bit(KPROXY_PUMP_COALESCING, &s->pumps[side].flags))
			continue;
		kproxy_fault_point(KPROXY_POINT_COALESCE_TIMER);
		left = session_coalesce_left(s, side);
		if (left) {
			next = min(next, left);
			continue;
		}
		set_bit(KPROXY_PUMP_IN_VAIN, &s->pumps[side].flags);
		kproxy_session_kick(s, side);
	}
	/* Not HRTIMER_RESTART: another CPU may have started it again. */
	if (next != U32_MAX)
		session_set_coalesce_timer(s, next);
	return HRTIMER_NORESTART;
}

/**
 * kproxy_session_data_ready() - handle received data or the end of a stream
 * @s: the session
 * @from: the side that received it; its socket is locked, by its spinlock or
 *	by this process, which is then working off the backlog
 *
 * The to socket's lock is only tried, because its holder may be waiting for
 * the from socket's.
 *
 * Context: a callback of the socket.
 */
void kproxy_session_data_ready(struct kproxy_session *s,
			       enum kproxy_side from)
{
	enum kproxy_state state = READ_ONCE(s->state);
	struct sock *to;

	if (unlikely(!kproxy_state_connected(state))) {
		/* The life work reads the greeting. */
		if (state == KPROXY_GREETING)
			kproxy_session_schedule_life(s);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_DATA_READY);
	if (unlikely(kproxy_session_kick_flush(s, from)))
		return;
	if (unlikely(READ_ONCE(s->pumps[from].coalesce.bytes)) &&
	    session_coalesces(s, from))
		return;

	to = s->socks[!from].sk;
	local_bh_disable();
	if (unlikely(!spin_trylock(&to->sk_lock.slock)))
		goto busy;
	if (unlikely(sock_owned_by_user_nocheck(to))) {
		spin_unlock(&to->sk_lock.slock);
		goto busy;
	}
	session_run(s, from);
	kproxy_stats_inc(s->net_stats, KPROXY_A_COUNTERS_PUMPS_INLINE);
	spin_unlock(&to->sk_lock.slock);
	local_bh_enable();
	return;

busy:
	kproxy_fault_point(KPROXY_POINT_DATA_BUSY);
	set_bit(KPROXY_PUMP_DEFERRED, &s->pumps[from].flags);
	kproxy_session_kick(s, from);
	local_bh_enable();
}

/**
 * kproxy_session_write_space() - handle a full socket that has room again
 * @s: the session
 * @side: the side of the socket, which is locked
 *
 * TCP may call this while it sends, so the run is left to the pump work.
 *
 * Context: a callback of the socket.
 */
void kproxy_session_write_space(struct kproxy_session *s,
				enum kproxy_side side)
{
	const struct kproxy_pump *pump = &s->pumps[!side];
	struct sock *sk = s->socks[side].sk;

	if (pump->sending)
		return;
	if (kproxy_session_kick_flush(s, side))
		return;
	if (pump->full && sk_stream_is_writeable(sk)) {
		kproxy_fault_point(KPROXY_POINT_WRITE_SPACE);
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		kproxy_session_kick(s, !side);
	}
}

/*
 * One socket has failed. Flush what it had received; once the other peer has
 * acknowledged that, reset the other socket, as would happen without a proxy.
 * Reset it at once if it has sent more, because nobody is left to receive that.
 * Both sockets are locked.
 */
static void session_flush(struct kproxy_session *s, enum kproxy_side failed)
{
	struct sock *to = s->socks[!failed].sk;
	enum kproxy_pump_result result;

	result = session_run(s, failed);
	kproxy_fault_point(KPROXY_POINT_FLUSH);
	/* A closed socket's write queue still holds what it never sent. */
	if (result == KPROXY_PUMP_BROKEN || to->sk_state == TCP_CLOSE ||
	    test_bit(KPROXY_SESSION_FAILED + !failed, &s->flags) ||
	    kproxy_sock_unread(to) ||
	    (result != KPROXY_PUMP_FULL && result != KPROXY_PUMP_RETRY &&
	     result != KPROXY_PUMP_YIELD &&
	     tcp_rtx_and_write_queues_empty(to))) {
		kproxy_session_event(s, KPROXY_EV_RESET, failed_reason[failed]);
		return;
	}
	set_bit(SOCK_NOSPACE, &to->sk_socket->flags);
	if (test_and_set_bit(KPROXY_SESSION_FLUSHING, &s->flags))
		return;
	WRITE_ONCE(s->step_by, jiffies + kproxy_session_flush_time(s));
	kproxy_session_arm_by(s, s->step_by);
}

/* Both sockets are locked. */
static void session_coalesced_in_vain(struct kproxy_session *s,
				      enum kproxy_side from, u64 before)
{
	struct kproxy_pump *pump = &s->pumps[from];
	u64 bytes = kproxy_pump_bytes(pump);

	trace_kproxy_late(s, from);
	kproxy_coalesce_in_vain(&pump->coalesce, bytes - before, bytes,
				tcp_sk(s->socks[from].sk)->tcp_mstamp);
}

static void session_pump_wanted(struct kproxy_session *s)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		u64 before = kproxy_pump_bytes(&s->pumps[side]);
		bool deferred;

		if (!test_and_clear_bit(KPROXY_PUMP_WANTED, &s->pumps[side].flags))
			continue;
		deferred = test_and_clear_bit(KPROXY_PUMP_DEFERRED,
					      &s->pumps[side].flags);
		kproxy_stats_inc(s->net_stats,
				 deferred ? KPROXY_A_COUNTERS_PUMPS_DEFERRED :
					    KPROXY_A_COUNTERS_PUMPS_INLINE);
		session_run(s, side);
		if (test_and_clear_bit(KPROXY_PUMP_IN_VAIN, &s->pumps[side].flags))
			session_coalesced_in_vain(s, side, before);
	}
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (unlikely(test_bit(KPROXY_SESSION_FAILED + side, &s->flags)))
			session_flush(s, side);
}

/*
 * The client's first bytes are passed on: from here on, acknowledge as any
 * other socket does. Both sockets are locked.
 */
static void session_ack_soon(struct kproxy_session *s)
{
	if (likely(!test_bit(KPROXY_SESSION_LATE_ACKS, &s->flags)))
		return;
	clear_bit(KPROXY_SESSION_LATE_ACKS, &s->flags);
	kproxy_sock_ack_soon(s->socks[KPROXY_CLIENT].sk);
}

/* Lock both sockets, in address order, and run the pumps that are wanted. */
static void session_pump_locked(struct kproxy_session *s)
{
	struct sock *a = s->socks[KPROXY_CLIENT].sk;
	struct sock *b = s->socks[KPROXY_SERVER].sk;

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
 * kproxy_session_pump_work() - run the pumps that were kicked
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
 * kproxy_session_pump() - run both pumps now
 * @s: the session, connected, its life locked
 *
 * Context: process; the caller owns neither socket.
 */
void kproxy_session_pump(struct kproxy_session *s)
{
	set_bit(KPROXY_PUMP_WANTED, &s->pumps[KPROXY_CLIENT].flags);
	set_bit(KPROXY_PUMP_WANTED, &s->pumps[KPROXY_SERVER].flags);
	local_bh_disable();
	session_pump_locked(s);
	local_bh_enable();
}
