// SPDX-License-Identifier: GPL-2.0
/*
 * Connects a session to a server: choose a server or wait for one, connect, and
 * try the next one if that fails. The life work does all of it, except that the
 * callbacks of the server's socket report how the connect ended.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <net/sock.h>

#include "choice-pick.h"
#include "connect.h"
#include "fastopen.h"
#include "fault.h"
#include "greeting.h"
#include "health.h"
#include "listener.h"
#include "preconnect.h"
#include "queue.h"
#include "refuse.h"
#include "root.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-pump.h"
#include "session-connect.h"
#include "shared.h"
#include "source.h"
#include "trace.h"
#include "upstream.h"

/*
 * The session has a connection: a connect succeeded, or an idle connection was
 * taken. Return false if the connect was given up or the session ended first:
 * then the caller must not use the server's socket, which is locked.
 */
static bool session_established(struct kproxy_session *s,
				enum kproxy_event event)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		WRITE_ONCE(s->pumps[side].last, jiffies);
	if (!kproxy_session_event(s, event, KPROXY_REASON_NONE))
		return false;
	s->connected = ktime_get();
	return true;
}

/*
 * The server has answered. The caller then has to check for bytes and failures
 * from before this. RCU is held.
 */
static void session_connected(struct kproxy_session *s, bool taken)
{
	struct kproxy_server *server = rcu_dereference(s->server);
	s64 us;

	trace_kproxy_connect(s, server, 0);
	us = ktime_us_delta(s->connected, s->connect_began);
	kproxy_server_add_time(server, KPROXY_TIME_CONNECT, us);
	/* An idle connection says nothing about the server. */
	if (!taken)
		kproxy_delay_add(&server->delay, us);
	kproxy_health_connected(server);
	kproxy_session_arm(s);
}

/**
 * kproxy_session_connect_changed() - handle the outcome of a connect
 * @s: the session, connecting; the server's socket is locked
 *
 * Context: a callback of that socket.
 */
void kproxy_session_connect_changed(struct kproxy_session *s)
{
	const struct sock *sk = s->socks[KPROXY_SERVER].sk;

	if (sk->sk_state == TCP_ESTABLISHED && !kproxy_sock_is_own_peer(sk)) {
		kproxy_fault_point(KPROXY_POINT_CONNECT_CHANGED);
		if (!session_established(s, KPROXY_EV_CONNECTED))
			return;
		session_connected(s, false);
		kproxy_fault_point(KPROXY_POINT_CONNECT_ESTABLISHED);
		/*
		 * Else the life work sees the new state: both are full
		 * barriers.
		 */
		if (!test_bit(KPROXY_SESSION_IN_CONNECT, &s->flags))
			kproxy_session_kick_both(s);
	} else if (sk->sk_err || sk->sk_state == TCP_CLOSE ||
		   sk->sk_state == TCP_ESTABLISHED) {
		kproxy_fault_point(KPROXY_POINT_CONNECT_FAILED);
		kproxy_session_connect_failed(s);
	}
}

/**
 * kproxy_session_connect_failed() - give up the connect that is under way
 * @s: the session, referenced or kept from ending by the caller
 *
 * No-op if the connect has succeeded or was given up, or if the session has
 * ended. The change of state decides: the caller that makes it queues the life
 * work, which tries the next server.
 *
 * Context: any.
 */
void kproxy_session_connect_failed(struct kproxy_session *s)
{
	if (kproxy_session_event(s, KPROXY_EV_CONNECT_FAILED,
				 KPROXY_REASON_NONE))
		kproxy_session_schedule_life(s);
}

static void session_count(const struct kproxy_session *s, unsigned int counter)
{
	kproxy_stats_inc(s->net_stats, counter);
	kproxy_stats_inc(s->listener_stats, counter);
	kproxy_stats_inc(s->server_stats, counter);
}

/* Prepare the PROXY header that goes before the client's first byte. */
static int session_prepare_header(struct kproxy_session *s)
{
	unsigned int version = READ_ONCE(s->upstream->options.send_proxy);
	struct kproxy_pump *pump = &s->pumps[KPROXY_CLIENT];

	/* After a failed connect, the header is still there, unsent. */
	if (version == KPROXY_SEND_PROXY_OFF || pump->head.len)
		return 0;
	return kproxy_greeting_write(&kproxy_pool, version, &s->client,
				     &s->local, &pump->head);
}

/*
 * Use an idle connection, which is attached to the session now. No callback has
 * reported earlier events; later ones are reported.
 */
static bool session_use_idle(struct kproxy_session *s)
{
	struct sock *sk = s->socks[KPROXY_SERVER].sk;
	bool alive, connected = false;

	kproxy_fault_point(KPROXY_POINT_IDLE_EVENT);
	lock_sock(sk);
	alive = sk->sk_state == TCP_ESTABLISHED && !sk->sk_err;
	if (alive) {
		/*
		 * The server's ACKs can ride on the client's bytes, as in
		 * session_connect_once().
		 */
		if (kproxy_sock_unread(s->socks[KPROXY_CLIENT].sk))
			kproxy_sock_delay_acks(sk);
		kproxy_addr_local(&s->source, sk);
		connected = session_established(s, KPROXY_EV_TAKEN);
	}
	release_sock(sk);
	if (connected) {
		kproxy_fault_point(KPROXY_POINT_IDLE_CONNECTED);
		rcu_read_lock();
		session_connected(s, true);
		rcu_read_unlock();
		kproxy_session_pump(s);
	}
	return alive;
}

static void session_disconnect(struct kproxy_session *s)
{
	struct kproxy_sock *ks = &s->socks[KPROXY_SERVER];

	if (!ks->socket)
		return;
	kproxy_fault_point(KPROXY_POINT_DISCONNECT);
	kproxy_sock_detach(ks);
	kproxy_sock_abort(ks);
}

/*
 * A session whose client is kproxy itself makes its own connection. In a loop
 * of listeners, each idle connection would otherwise cause another one.
 */
static bool session_take_idle(struct kproxy_session *s)
{
	if (s->hops)
		return false;
	while (kproxy_preconnect_take(kproxy_session_server(s),
				      s->socks[KPROXY_CLIENT].sk,
				      &s->socks[KPROXY_SERVER],
				      &kproxy_session_server_ops)) {
		if (session_use_idle(s))
			return true;
		session_disconnect(s);
	}
	return false;
}

/*
 * Begin to connect to the session's server. Return -EINPROGRESS, or an error if
 * it failed. The session is choosing before; after, it is connecting,
 * connected, choosing again, or ended.
 */
static int session_connect_once(struct kproxy_session *s)
{
	struct kproxy_sock *ks = &s->socks[KPROXY_SERVER];
	struct kproxy_server *server = kproxy_session_server(s);
	struct socket *socket;
	int err;

	s->pumps[KPROXY_CLIENT].ahead = 0;
	s->connect_began = ktime_get();
	err = session_prepare_header(s);
	if (err)
		return err;
	if (session_take_idle(s))
		return -EINPROGRESS;
	err = kproxy_connect_open(server, s->socks[KPROXY_CLIENT].sk,
				  KPROXY_CONNECT_FOR_CLIENT, &socket);
	if (err)
		return err;
	kproxy_sock_attach_new(ks, socket, &kproxy_session_server_ops);
	kproxy_fault_point(KPROXY_POINT_CONNECT_ATTACHED);
	WRITE_ONCE(s->step_by, jiffies + s->times.connect);
	/* The client's bytes carry the ACK of the server's SYN-ACK. */
	if (kproxy_sock_unread(s->socks[KPROXY_CLIENT].sk))
		kproxy_sock_delay_acks(socket->sk);
	if (!kproxy_session_event(s, KPROXY_EV_CONNECT, KPROXY_REASON_NONE))
		return -ECANCELED;
	/*
	 * Not earlier, because the timer gives up a connect only while
	 * connecting.
	 */
	kproxy_session_arm(s);
	set_bit(KPROXY_SESSION_IN_CONNECT, &s->flags);
	err = kproxy_source_connect(server, socket, &server->addr,
				    &s->client);
	kproxy_fault_point(KPROXY_POINT_CONNECT_RETURNED);
	clear_bit(KPROXY_SESSION_IN_CONNECT, &s->flags);
	kproxy_fault_point(KPROXY_POINT_CONNECT_LOOK);
	/* pairs with the state change in kproxy_session_connect_changed() */
	smp_mb__after_atomic();
	if (kproxy_state_connected(READ_ONCE(s->state)))
		kproxy_session_pump(s);
	kproxy_addr_local(&s->source, socket->sk);
	if (!err && kproxy_fastopen_deferred(socket))
		err = kproxy_fastopen_connect(s->socks[KPROXY_CLIENT].socket,
					      socket,
					      &s->pumps[KPROXY_CLIENT]);
	return err ?: -EINPROGRESS;
}

static struct kproxy_server *session_pick(const struct kproxy_session *s)
{
	struct kproxy_pick pick = {
		.client = &s->client,
		.tried = s->tried,
		.last = kproxy_session_server(s),
	};

	return kproxy_choice_pick(&s->upstream->choice, &pick);
}

/**
 * kproxy_session_assign() - assign a server to a session
 * @s: the session, its life locked
 * @server: the server chosen for it, or NULL for none; replaces the current one
 *
 * Context: process.
 */
void kproxy_session_assign(struct kproxy_session *s,
			   struct kproxy_server *server)
{
	struct kproxy_server *old = kproxy_session_server(s);

	if (server) {
		s->server_stats = server->stats;
		kproxy_stats_inc(server->stats, KPROXY_A_COUNTERS_SESSIONS_TOTAL);
	}
	rcu_assign_pointer(s->server, server);
	if (old) {
		kproxy_choice_release(old);
		kproxy_server_put(old);
	}
}

/**
 * kproxy_session_choose() - choose a server for a session and assign it
 * @s: the session, its life locked
 *
 * A session that has not waited may not overtake those in the queue, unless it
 * is retrying after a failed connect.
 *
 * Context: process.
 * Return: 0; -EBUSY if it has to wait; or the error of kproxy_choice_pick().
 */
int kproxy_session_choose(struct kproxy_session *s)
{
	struct kproxy_choice *c = &s->upstream->choice;
	struct kproxy_server *server = ERR_PTR(-EBUSY);

	if (s->waiting ? kproxy_queue_first(&c->queue, &s->waiter) :
			 s->tries || kproxy_queue_empty(&c->queue))
		server = session_pick(s);
	kproxy_fault_point(KPROXY_POINT_CHOOSE_ASSIGN);
	if (!IS_ERR(server))
		kproxy_session_assign(s, server);
	return PTR_ERR_OR_ZERO(server);
}

/*
 * A step of the connect has returned an error. Return false if the connect has
 * succeeded all the same, or if the session has ended: then its sockets are in
 * use or belong to session_end(). If true, the server's socket is the caller's:
 * only the life work, whose lock is held, connects from choosing or runs
 * session_end().
 */
static bool session_unconnected(struct kproxy_session *s)
{
	kproxy_session_event(s, KPROXY_EV_CONNECT_FAILED, KPROXY_REASON_NONE);
	return READ_ONCE(s->state) == KPROXY_CHOOSING;
}

static void session_unreachable(struct kproxy_session *s)
{
	kproxy_session_event(s, KPROXY_EV_UNREACHABLE,
			     KPROXY_REASON_UNREACHABLE);
}

/**
 * kproxy_session_enqueue() - let a session wait for a server, without one
 * @s: the session, its life locked
 *
 * Its life work is queued when it becomes first in the queue, or times out.
 *
 * Context: process.
 */
void kproxy_session_enqueue(struct kproxy_session *s)
{
	kproxy_session_assign(s, NULL);
	WRITE_ONCE(s->step_by, jiffies + s->times.connect);
	kproxy_session_arm(s);
	kproxy_fault_point(KPROXY_POINT_ENQUEUE);
	s->waiting = true;
	kproxy_queue_join(&s->upstream->choice.queue, &s->waiter);
}

/**
 * kproxy_session_dequeue() - take a session out of the queue, if it waits
 * @s: the session, its life locked
 *
 * Context: process.
 */
void kproxy_session_dequeue(struct kproxy_session *s)
{
	if (!s->waiting)
		return;
	s->waiting = false;
	kproxy_queue_leave(&s->upstream->choice.queue, &s->waiter);
}

/*
 * A connect has failed with @err: choose the next server. Return false if there
 * is none to connect to now.
 */
static bool session_next_server(struct kproxy_session *s, int err)
{
	struct kproxy_server *server = kproxy_session_server(s);

	trace_kproxy_connect(s, server, err);
	session_count(s, KPROXY_A_COUNTERS_CONNECT_FAILURES);
	if (kproxy_health_blames(err))
		kproxy_health_failed(server);
	s->tried |= kproxy_choice_bit(server);
	if (s->tries++ >= READ_ONCE(s->upstream->options.retries))
		return false;
	kproxy_fault_point(KPROXY_POINT_NEXT_SERVER);
	err = kproxy_session_choose(s);
	if (err == -EBUSY)
		kproxy_session_enqueue(s);
	return !err;
}

/* Whether the sessions of a server are to be reset. */
static bool server_resets(const struct kproxy_server *server)
{
	const struct kproxy_upstream_options *options =
		&server->upstream->options;

	if (READ_ONCE(server->options.state) == KPROXY_SERVER_STATE_DOWN)
		return true;
	/* With fail-open, it may have been chosen although it is down. */
	return READ_ONCE(options->on_down) == KPROXY_ON_DOWN_RESET &&
	       !READ_ONCE(options->fail_open) && kproxy_server_is_down(server);
}

/**
 * kproxy_session_connect() - begin to connect to a session's server
 * @s: the session, its life locked
 *
 * Try other servers if that fails at once. If the session then waits or ends,
 * the caller has nothing left to do.
 *
 * Context: process, may sleep.
 */
void kproxy_session_connect(struct kproxy_session *s)
{
	int err;

	while ((err = session_connect_once(s)) != -EINPROGRESS &&
	       session_unconnected(s)) {
		/* The failed connect's timeout must not hit the next one. */
		timer_delete_sync(&s->timer);
		session_disconnect(s);
		if (session_next_server(s, err))
			continue;
		if (!s->waiting)
			session_unreachable(s);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_CONNECT_DOWN);
	/*
	 * Pairs with setting a server down, which looks for its sessions after
	 * that.
	 */
	smp_mb();
	if (server_resets(kproxy_session_server(s)))
		kproxy_session_event(s, KPROXY_EV_KILL,
				     KPROXY_REASON_SERVER_DOWN);
}

/* The connect was given up; only the life work continues from there. */
static void session_reconnect(struct kproxy_session *s)
{
	kproxy_fault_point(KPROXY_POINT_RECONNECT);
	/* The failed connect's timeout must not hit the next connect. */
	timer_delete_sync(&s->timer);
	session_disconnect(s);
	if (session_next_server(s, -ECONNREFUSED))
		kproxy_session_connect(s);
	else if (!s->waiting)
		session_unreachable(s);
}

/**
 * kproxy_session_wake() - let a waiting session look for a server again
 * @waiter: the session's, still in the queue, so the session is alive
 *
 * Context: under the queue's lock.
 */
void kproxy_session_wake(struct kproxy_waiter *waiter)
{
	kproxy_session_schedule_life(container_of(waiter,
						  struct kproxy_session,
						  waiter));
}

/* The session is first in the queue, or has waited too long. */
static void session_choose_again(struct kproxy_session *s)
{
	int err = kproxy_session_choose(s);

	kproxy_fault_point(KPROXY_POINT_CHOOSE_AGAIN);
	if (err == -EBUSY && time_before(jiffies, READ_ONCE(s->step_by)))
		return;
	kproxy_session_dequeue(s);
	if (err) {
		kproxy_listener_refused(s->listener);
		kproxy_session_event(s, err == -EBUSY ? KPROXY_EV_TIMEOUT :
							KPROXY_EV_UNREACHABLE,
				     kproxy_refuse_reason(err));
		return;
	}
	kproxy_fault_point(KPROXY_POINT_DEQUEUED);
	/* The timeout of the wait must not hit the connect. */
	timer_delete_sync(&s->timer);
	kproxy_session_connect(s);
}

/**
 * kproxy_session_connect_step() - run a session's next step towards a server
 * @s: the session, choosing, its life locked
 *
 * Context: process, may sleep.
 */
void kproxy_session_connect_step(struct kproxy_session *s)
{
	kproxy_fault_point(KPROXY_POINT_LIFE_CONNECT);
	if (s->waiting)
		session_choose_again(s);
	else
		session_reconnect(s);
}
