// SPDX-License-Identifier: GPL-2.0
/*
 * A session's way to a server: choose one, or wait until one takes sessions,
 * connect, and on to the next when that fails. All of it is done by the life
 * work, but for the answer, which the server's socket tells of.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <net/sock.h>

#include "choice.h"
#include "connect.h"
#include "fastopen.h"
#include "fault.h"
#include "greeting.h"
#include "health.h"
#include "listener.h"
#include "preconnect.h"
#include "queue.h"
#include "root.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-pump.h"
#include "session-reach.h"
#include "shared.h"
#include "source.h"
#include "trace.h"
#include "upstream.h"

/*
 * There is a connection, by the answer to a connect or by one that was made
 * ahead. False if the connect was given up or the session has ended before: then
 * nothing may be done with the server's socket, which is locked.
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
 * The server has answered. What came before, and what failed before, is to be
 * looked at after this. RCU is held.
 */
static void session_go(struct kproxy_session *s)
{
	struct kproxy_server *server = rcu_dereference(s->server);

	trace_kproxy_connect(s, server, 0);
	kproxy_server_took(server, KPROXY_LATENCY_CONNECT,
			   ktime_us_delta(s->connected, s->asked));
	kproxy_health_connected(server);
	kproxy_session_arm(s);
}

/**
 * kproxy_session_reach_changed() - the server has answered, or can't be reached
 * @s: the session, connecting; the server's socket is locked
 *
 * Context: a callback of that socket.
 */
void kproxy_session_reach_changed(struct kproxy_session *s)
{
	const struct sock *sk = s->ends[KPROXY_SERVER].sk;

	if (sk->sk_state == TCP_ESTABLISHED && !kproxy_sock_is_loop(sk)) {
		kproxy_fault_point(KPROXY_POINT_REACH_CHANGED);
		if (!session_established(s, KPROXY_EV_CONNECTED))
			return;
		session_go(s);
		kproxy_fault_point(KPROXY_POINT_REACH_ESTABLISHED);
		/* Otherwise the life work sees the new state: full barriers. */
		if (!test_bit(KPROXY_SESSION_ASKING, &s->flags))
			kproxy_session_kick_both(s);
	} else if (sk->sk_err || sk->sk_state == TCP_CLOSE ||
		   sk->sk_state == TCP_ESTABLISHED) {
		kproxy_fault_point(KPROXY_POINT_REACH_FAILED);
		kproxy_session_connect_failed(s);
	}
}

/**
 * kproxy_session_connect_failed() - give up the connect that is under way
 * @s: the session, held or kept from ending by the caller
 *
 * Has no effect if the connect has succeeded, was given up or the session has
 * ended before: the change of state decides, and whoever brings it about has the
 * life work go on to the next server.
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

/* Have the server told who the client is, before the client's first byte. */
static int session_introduce(struct kproxy_session *s)
{
	unsigned int version = READ_ONCE(s->upstream->options.send_proxy);
	struct kproxy_pump *pump = &s->pumps[KPROXY_CLIENT];

	/* After a failed connect nothing of it is sent yet. */
	if (version == KPROXY_SEND_PROXY_OFF || pump->head.len)
		return 0;
	return kproxy_greeting_write(&kproxy_pool, version, &s->client,
				     &s->local, &pump->head);
}

/*
 * Use a connection that was made ahead and is attached to the session now. What
 * has happened to it before no callback has told; what happens now one will.
 */
static bool session_use_socket(struct kproxy_session *s)
{
	struct sock *sk = s->ends[KPROXY_SERVER].sk;
	bool alive, go = false;

	kproxy_fault_point(KPROXY_POINT_USE_EVENT);
	lock_sock(sk);
	alive = sk->sk_state == TCP_ESTABLISHED && !sk->sk_err;
	if (alive) {
		/* What the client has said is answered, as session_connect() has it. */
		if (kproxy_sock_unread(s->ends[KPROXY_CLIENT].sk))
			kproxy_sock_delay_acks(sk);
		kproxy_addr_local(&s->source, sk);
		go = session_established(s, KPROXY_EV_TAKEN);
	}
	release_sock(sk);
	if (go) {
		kproxy_fault_point(KPROXY_POINT_USE_GO);
		rcu_read_lock();
		session_go(s);
		rcu_read_unlock();
		kproxy_session_pump(s);
	}
	return alive;
}

static void session_disconnect(struct kproxy_session *s)
{
	struct kproxy_sock *ks = &s->ends[KPROXY_SERVER];

	if (!ks->socket)
		return;
	kproxy_fault_point(KPROXY_POINT_DISCONNECT);
	kproxy_sock_detach(ks);
	kproxy_sock_abort(ks);
}

/*
 * A session whose client is one of ours makes its connection itself: in a circle
 * of listeners each that is made ahead would have another one made.
 */
static bool session_take_ready(struct kproxy_session *s)
{
	if (s->hops)
		return false;
	while (kproxy_preconnect_take(kproxy_session_server(s),
				      s->ends[KPROXY_CLIENT].sk,
				      &s->ends[KPROXY_SERVER],
				      &kproxy_session_server_ops)) {
		if (session_use_socket(s))
			return true;
		session_disconnect(s);
	}
	return false;
}

/*
 * Begin to connect to the session's server: -EINPROGRESS, or it failed. It is
 * choosing before, and is then connecting, connected, choosing again, or ended.
 */
static int session_connect(struct kproxy_session *s)
{
	struct kproxy_sock *ks = &s->ends[KPROXY_SERVER];
	struct kproxy_server *server = kproxy_session_server(s);
	struct socket *socket;
	int err;

	s->pumps[KPROXY_CLIENT].ahead = 0;
	s->asked = ktime_get();
	err = session_introduce(s);
	if (err)
		return err;
	if (session_take_ready(s))
		return -EINPROGRESS;
	err = kproxy_connect_open(server, s->ends[KPROXY_CLIENT].sk,
				  KPROXY_CONNECT_FOR_CLIENT, &socket);
	if (err)
		return err;
	kproxy_sock_attach_new(ks, socket, &kproxy_session_server_ops);
	kproxy_fault_point(KPROXY_POINT_CONNECT_ATTACHED);
	WRITE_ONCE(s->step_by, jiffies + s->times.connect);
	/* What the client has said acknowledges the server's answer. */
	if (kproxy_sock_unread(s->ends[KPROXY_CLIENT].sk))
		kproxy_sock_delay_acks(socket->sk);
	if (!kproxy_session_event(s, KPROXY_EV_CONNECT, KPROXY_REASON_NONE))
		return -ECANCELED;
	/* Not before: a timer that finds no connect gives up none. */
	kproxy_session_arm(s);
	set_bit(KPROXY_SESSION_ASKING, &s->flags);
	err = kproxy_source_connect(server, socket, &s->client);
	kproxy_fault_point(KPROXY_POINT_CONNECT_RETURNED);
	clear_bit(KPROXY_SESSION_ASKING, &s->flags);
	kproxy_fault_point(KPROXY_POINT_CONNECT_LOOK);
	/* pairs with the change of state in kproxy_session_reach_changed() */
	smp_mb__after_atomic();
	if (kproxy_state_connected(READ_ONCE(s->state)))
		kproxy_session_pump(s);
	kproxy_addr_local(&s->source, socket->sk);
	if (!err && kproxy_fastopen_deferred(socket))
		err = kproxy_fastopen_connect(s->ends[KPROXY_CLIENT].socket,
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
 * kproxy_session_use() - a session has to do with another server from here on
 * @s: the session, its life locked
 * @server: chosen for it; or NULL, with none
 *
 * Context: process.
 */
void kproxy_session_use(struct kproxy_session *s, struct kproxy_server *server)
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
 * kproxy_session_find() - give a session a server of its own
 * @s: the session, its life locked
 *
 * Who has not waited may not overtake who does.
 *
 * Context: process.
 * Return: 0; -EBUSY when it has to wait; or the error of kproxy_choice_pick().
 */
int kproxy_session_find(struct kproxy_session *s)
{
	struct kproxy_choice *c = &s->upstream->choice;
	struct kproxy_server *server = ERR_PTR(-EBUSY);

	if (s->waiting ? kproxy_queue_first(&c->queue, &s->waiter) :
			 s->tries || kproxy_queue_empty(&c->queue))
		server = session_pick(s);
	kproxy_fault_point(KPROXY_POINT_FIND_USE);
	if (!IS_ERR(server))
		kproxy_session_use(s, server);
	return PTR_ERR_OR_ZERO(server);
}

/*
 * A step of the connect has returned an error. False if it has succeeded all the
 * same or the session has ended; then its sockets are in use, or session_end()'s.
 * Only the life work, whose lock is held, leads on from choosing, so that this
 * stays true until then.
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
 * kproxy_session_wait() - a session waits for a server, without one
 * @s: the session, its life locked
 *
 * Its life work is queued when it is its turn, or has waited for too long.
 *
 * Context: process.
 */
void kproxy_session_wait(struct kproxy_session *s)
{
	kproxy_session_use(s, NULL);
	WRITE_ONCE(s->step_by, jiffies + s->times.connect);
	kproxy_session_arm(s);
	kproxy_fault_point(KPROXY_POINT_WAIT_JOIN);
	s->waiting = true;
	kproxy_queue_join(&s->upstream->choice.queue, &s->waiter);
}

/**
 * kproxy_session_wait_no_more() - a session leaves the queue, if it is in it
 * @s: the session, its life locked
 *
 * Context: process.
 */
void kproxy_session_wait_no_more(struct kproxy_session *s)
{
	if (!s->waiting)
		return;
	s->waiting = false;
	kproxy_queue_leave(&s->upstream->choice.queue, &s->waiter);
}

/*
 * After a connect that failed with @err, on to the next server, if there may
 * be one.
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
	err = kproxy_session_find(s);
	if (err == -EBUSY)
		kproxy_session_wait(s);
	return !err;
}

/**
 * kproxy_session_reach() - begin to connect to a session's server
 * @s: the session, its life locked
 *
 * Or to others when that fails at once. When it comes to a wait or to its end
 * there is no more to do here.
 *
 * Context: process, may sleep.
 */
void kproxy_session_reach(struct kproxy_session *s)
{
	int err;

	while ((err = session_connect(s)) != -EINPROGRESS &&
	       session_unconnected(s)) {
		/* A time-out of the connect that failed must not hit the next one. */
		timer_delete_sync(&s->timer);
		session_disconnect(s);
		if (session_next_server(s, err))
			continue;
		if (!s->waiting)
			session_unreachable(s);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_REACH_DOWN);
	/* Who takes a server down has looked for its sessions after that. */
	smp_mb();
	if (READ_ONCE(kproxy_session_server(s)->options.state) ==
	    KPROXY_SERVER_STATE_DOWN)
		kproxy_session_event(s, KPROXY_EV_KILL,
				     KPROXY_REASON_SERVER_DOWN);
}

/* The connect was given up, and nothing but this leads on from there. */
static void session_reconnect(struct kproxy_session *s)
{
	kproxy_fault_point(KPROXY_POINT_RECONNECT);
	/* A time-out of the connect that failed must not hit the next one. */
	timer_delete_sync(&s->timer);
	session_disconnect(s);
	if (session_next_server(s, -ECONNREFUSED))
		kproxy_session_reach(s);
	else if (!s->waiting)
		session_unreachable(s);
}

/**
 * kproxy_session_turn() - a session that waits is to look again
 * @waiter: the session's, not out of the queue yet, so that it is alive
 *
 * Context: under the queue's lock.
 */
void kproxy_session_turn(struct kproxy_waiter *waiter)
{
	kproxy_session_schedule_life(container_of(waiter,
						  struct kproxy_session,
						  waiter));
}

/* It is the session's turn, or has waited for too long. */
static void session_look_again(struct kproxy_session *s)
{
	int err = kproxy_session_find(s);

	kproxy_fault_point(KPROXY_POINT_LOOK_FIND);
	if (err == -EBUSY && time_before(jiffies, READ_ONCE(s->step_by)))
		return;
	kproxy_session_wait_no_more(s);
	if (err) {
		kproxy_listener_refused(s->listener);
		kproxy_session_event(s, err == -EBUSY ? KPROXY_EV_TIMEOUT :
							KPROXY_EV_UNREACHABLE,
				     KPROXY_REASON_UNREACHABLE);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_LOOK_REACH);
	/* The end of the wait must not be taken for that of a connect. */
	timer_delete_sync(&s->timer);
	kproxy_session_reach(s);
}

/**
 * kproxy_session_reach_on() - the next step of a session on its way to a server
 * @s: the session, choosing, its life locked
 *
 * Context: process, may sleep.
 */
void kproxy_session_reach_on(struct kproxy_session *s)
{
	kproxy_fault_point(KPROXY_POINT_LIFE_REACH);
	if (s->waiting)
		session_look_again(s);
	else
		session_reconnect(s);
}
