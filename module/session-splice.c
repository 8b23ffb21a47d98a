// SPDX-License-Identifier: GPL-2.0
/*
 * A splice is a session without a listener, an upstream and a server. Its two
 * sockets belong to a program and go back to it. This is what is different
 * while it lives and when it ends; session-splice-start.c begins it. The client
 * is the program's socket a, the server is b.
 *
 * The program's descriptor is one end of a pair of AF_UNIX sockets, the session
 * has the other. A file with operations of the module's own, as an anonymous
 * inode's, would keep the module from being unloaded for as long as any program
 * has it open. The session learns that the program has closed or shut down its
 * end by an entry in the wait queue of its own end: a queue calls its entries
 * under its lock, so that no call is under way once an entry is removed.
 */
#include <linux/irqflags.h>
#include <linux/net.h>
#include <linux/refcount.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <linux/wait_bit.h>
#include <net/sock.h>
#include <uapi/linux/kproxy_splice.h>

#include "fault.h"
#include "quota.h"
#include "session.h"
#include "session-event.h"
#include "session-splice.h"
#include "shared.h"
#include "stats.h"

/* The time between two looks whether the program has closed its sockets. */
#define WATCH_PAUSE (HZ / 4)

const char kproxy_splice_name[KPROXY_NAME_MAX + 1] = "-";

static const enum kproxy_reason eof_reason[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_REASON_CLIENT_FIN,
	[KPROXY_SERVER] = KPROXY_REASON_SERVER_FIN,
};

static const enum kproxy_reason reset_reason[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_REASON_CLIENT_RESET,
	[KPROXY_SERVER] = KPROXY_REASON_SERVER_RESET,
};

static void splice_stop(struct kproxy_session *s)
{
	kproxy_session_event(s, KPROXY_EV_KILL, KPROXY_REASON_UNSPLICED);
}

/*
 * The program has disconnected a socket, and may make it listen. Its
 * connections would inherit the callbacks, so the socket has its own back when
 * this returns. No pump uses it any more.
 */
static void splice_left(struct kproxy_session *s, enum kproxy_side side)
{
	set_bit(KPROXY_SESSION_LEFT + side, &s->flags);
	kproxy_sock_release_callbacks(&s->socks[side]);
	splice_stop(s);
}

/* A socket has failed, or a flush to it may go on: leave that to the life work. */
static void splice_failed(struct kproxy_session *s, enum kproxy_side side,
			  bool failed)
{
	if (failed &&
	    kproxy_session_event(s, KPROXY_EV_CLIENT_LOST, reset_reason[side]))
		return;
	if (failed)
		set_bit(KPROXY_SESSION_FAILED + side, &s->flags);
	set_bit(KPROXY_SESSION_OWNED, &s->flags);
	kproxy_session_schedule_life(s);
}

/**
 * kproxy_splice_changed() - handle a change of state or an error of a socket
 * @s: the splice
 * @side: whose socket it is
 *
 * Completions of timestamps and of MSG_ZEROCOPY are reported like errors,
 * without the socket's lock, even while the splice ends. Therefore this needs a
 * reference, and queues nothing but the life work.
 *
 * Context: a callback of that socket, in any context.
 */
void kproxy_splice_changed(struct kproxy_session *s, enum kproxy_side side)
{
	const struct sock *sk = s->socks[side].sk;
	bool failed = READ_ONCE(sk->sk_err);

	if (!refcount_inc_not_zero(&s->refs))
		return;
	kproxy_fault_point(KPROXY_POINT_SPLICE_CHANGED);
	/* Disconnecting calls this with interrupts on. */
	if (unlikely(kproxy_sock_disconnected(sk)) && !irqs_disabled()) {
		splice_left(s, side);
	} else {
		kproxy_session_socket_changed(s, side);
		if (failed || test_bit(KPROXY_SESSION_FLUSHING, &s->flags))
			splice_failed(s, side, failed);
	}
	kproxy_session_put(s);
}

/**
 * kproxy_splice_runs() - check whether a splice's pumps may run
 * @s: the splice, both its sockets locked
 *
 * Context: softirq, or process with bottom halves off.
 * Return: false if the program has begun to use a socket for something else.
 */
bool kproxy_splice_runs(struct kproxy_session *s)
{
	if (test_bit(KPROXY_SESSION_LEFT + KPROXY_CLIENT, &s->flags) ||
	    test_bit(KPROXY_SESSION_LEFT + KPROXY_SERVER, &s->flags))
		return false;
	if (likely(!kproxy_sock_has_ulp(s->socks[KPROXY_CLIENT].sk) &&
		   !kproxy_sock_has_ulp(s->socks[KPROXY_SERVER].sk)))
		return true;
	splice_stop(s);
	return false;
}

/**
 * kproxy_splice_shut() - check whether the program has shut a socket down
 * @s: the splice, both its sockets locked
 * @source: a direction in which nothing can be sent
 *
 * Context: softirq, or process with bottom halves off.
 * Return: true if the direction is over for that reason; false if the socket
 * that it leads to has failed.
 */
bool kproxy_splice_shut(struct kproxy_session *s, enum kproxy_side source)
{
	const struct sock *dst = s->socks[!source].sk;

	if (dst->sk_err || test_bit(KPROXY_SESSION_FAILED + !source, &s->flags) ||
	    !(dst->sk_shutdown & SEND_SHUTDOWN))
		return false;
	s->pumps[source].ended = true;
	return true;
}

static bool pump_limit_reached(const struct kproxy_pump *pump)
{
	return pump->limited && !pump->left;
}

/*
 * Whether there is nothing left to do: both directions are over, or one has
 * reached its limit and the other one has no limit to wait for.
 */
static bool splice_over(const struct kproxy_pump *pumps)
{
	const struct kproxy_pump *in = &pumps[KPROXY_CLIENT];
	const struct kproxy_pump *out = &pumps[KPROXY_SERVER];

	return (in->ended && out->ended) ||
	       (pump_limit_reached(in) && !out->limited) ||
	       (pump_limit_reached(out) && !in->limited);
}

/**
 * kproxy_splice_passed() - handle the end of a direction of a splice
 * @s: the splice, both its sockets locked
 * @source: the direction
 * @result: how its last run ended
 *
 * Context: softirq, or process with bottom halves off.
 */
void kproxy_splice_passed(struct kproxy_session *s, enum kproxy_side source,
			  enum kproxy_pump_result result)
{
	enum kproxy_reason reason;

	if (result == KPROXY_PUMP_EOF)
		s->splice->eof |= BIT(source);
	if (!splice_over(s->pumps))
		return;
	if (pump_limit_reached(&s->pumps[KPROXY_CLIENT]) ||
	    pump_limit_reached(&s->pumps[KPROXY_SERVER]))
		reason = KPROXY_REASON_LIMIT;
	else
		reason = READ_ONCE(s->reason) ?: eof_reason[source];
	kproxy_session_event(s, KPROXY_EV_KILL, reason);
}

/**
 * kproxy_splice_wake() - handle what the program does with its descriptor
 * @wait: the splice's entry in the queue of its end of the pair
 * @mode: unused
 * @flags: unused
 * @key: what can be done now; NULL for a change of state
 *
 * Its end can't receive from the start. Closing the program's end shuts down
 * sending, too; shutting that down for writing does not.
 *
 * Context: under the queue's lock, interrupts off.
 * Return: 0, so that other entries are called.
 */
int kproxy_splice_wake(struct wait_queue_entry *wait, unsigned int mode,
		       int flags, void *key)
{
	struct kproxy_splice *splice =
		container_of(wait, struct kproxy_splice, wait);
	const struct sock *sk = splice->control->sk;

	if (key)
		return 0;
	kproxy_fault_point(KPROXY_POINT_SPLICE_WAKE);
	if (splice->detach && READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
		queue_delayed_work(kproxy_splice_wq, &splice->watch, 0);
	else
		splice_stop(splice->session);
	return 0;
}

/*
 * The program has closed its end of the pair. That still holds its namespace,
 * as long as the session's end refers to it.
 */
static void splice_release_control(struct kproxy_splice *splice)
{
	if (!splice->control)
		return;
	remove_wait_queue(&splice->control->wq.wait, &splice->wait);
	sock_release(splice->control);
	splice->control = NULL;
}

/**
 * kproxy_splice_watch() - see that a detached splice does not keep its
 * namespace alive
 * @work: the splice's watch
 *
 * The descriptor of the splice holds the namespace as any socket of the program
 * does, so this runs when that is closed. Nothing tells when the program closes
 * a socket that kproxy has borrowed.
 *
 * Context: process, may sleep.
 */
void kproxy_splice_watch(struct work_struct *work)
{
	struct kproxy_splice *splice = container_of(to_delayed_work(work),
						    struct kproxy_splice, watch);
	bool closed = true;
	enum kproxy_side side;

	splice_release_control(splice);
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (!kproxy_sock_uncount(&splice->session->socks[side],
					 &splice->loans[side]))
			closed = false;
	if (!closed)
		queue_delayed_work(kproxy_splice_wq, &splice->watch,
				   WATCH_PAUSE);
}

/**
 * kproxy_splice_quiet() - stop the events of a splice
 * @s: the splice, ending, its life locked
 *
 * Context: process, may sleep.
 */
void kproxy_splice_quiet(struct kproxy_session *s)
{
	struct kproxy_splice *splice = s->splice;
	enum kproxy_side side;

	disable_delayed_work_sync(&splice->watch);
	kproxy_fault_point(KPROXY_POINT_SPLICE_QUIET);
	if (splice->control)
		remove_wait_queue(&splice->control->wq.wait, &splice->wait);
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (s->socks[side].socket)
			kproxy_sock_quiet(&s->socks[side]);
}

/*
 * A reset is passed on as a reset. What ends before its streams, and not by the
 * program's will, must not look like their end to the peers: sockets that the
 * program has closed are reset then.
 */
static enum kproxy_sock_reset splice_reset(const struct kproxy_session *s)
{
	switch (s->reason) {
	case KPROXY_REASON_CLIENT_RESET:
	case KPROXY_REASON_SERVER_RESET:
		return KPROXY_SOCK_RESET;
	case KPROXY_REASON_IDLE_TIMEOUT:
	case KPROXY_REASON_KILLED:
	case KPROXY_REASON_SHUTDOWN:
		return KPROXY_SOCK_RESET_CLOSED;
	default:
		return KPROXY_SOCK_KEEP;
	}
}

/**
 * kproxy_splice_return() - give both sockets back
 * @s: the splice, ending, its life locked; its pumps no longer run
 *
 * Context: process, may sleep.
 */
void kproxy_splice_return(struct kproxy_session *s)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (s->socks[side].socket)
			kproxy_sock_return(&s->socks[side],
					   &s->splice->loans[side],
					   kproxy_pump_bytes(&s->pumps[side]),
					   splice_reset(s));
}

/**
 * kproxy_splice_sampled() - choose whether the log has a splice
 * @s: the splice, its life locked
 * @omitted: if it has, gets how many of its user's it has not since the last
 *
 * Context: process.
 * Return: true if it has; otherwise it is counted.
 */
bool kproxy_splice_sampled(const struct kproxy_session *s, u32 *omitted)
{
	*omitted = 0;
	if (s->splice->admin ||
	    kproxy_quota_user_sample(s->splice->user, omitted))
		return true;
	kproxy_stats_inc(s->net_stats, KPROXY_A_COUNTERS_UNLOGGED);
	return false;
}

/* Tell the program that its splice has ended. */
static void splice_report(struct kproxy_session *s)
{
	const struct kproxy_pump *pumps = s->pumps;
	struct kproxy_splice *splice = s->splice;
	struct kproxy_splice_report report = {
		.size = sizeof(report),
		.reason = s->reason,
		.bytes = {
			kproxy_pump_bytes(&pumps[KPROXY_CLIENT]),
			kproxy_pump_bytes(&pumps[KPROXY_SERVER]),
		},
		.spliced = pumps[KPROXY_CLIENT].bytes_spliced +
			   pumps[KPROXY_SERVER].bytes_spliced,
		.copied = pumps[KPROXY_CLIENT].bytes_copied +
			  pumps[KPROXY_SERVER].bytes_copied,
		.eof = splice->eof,
	};
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec data = {
		.iov_base = &report,
		.iov_len = sizeof(report),
	};

	/* Pairs with that of kproxy_splice_cancel(). */
	smp_store_release(&splice->ended, true);
	/* wake_up_var() looks for waiters after that. */
	smp_mb();
	wake_up_var(&splice->ended);
	kproxy_quota_user_uncharge(splice->user);
	if (!splice->control)
		return;
	/* Fails if the program has closed its end. */
	kernel_sendmsg(splice->control, &msg, &data, 1, sizeof(report));
	sock_release(splice->control);
}

/**
 * kproxy_splice_let_go() - drop the files of the sockets that were given back,
 * and tell the program
 * @s: the splice, its life not locked; of its life work, the last reference to it
 *	may be dropped after that only
 *
 * Context: the life work.
 */
void kproxy_splice_let_go(struct kproxy_session *s)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		kproxy_sock_let_go(&s->socks[side], &s->splice->loans[side]);
	if (!s->splice->ended)
		splice_report(s);
}
