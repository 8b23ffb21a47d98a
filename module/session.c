// SPDX-License-Identifier: GPL-2.0
/*
 * A session is a client's socket, a server's socket and a pump for each
 * direction. state.c says which event leads where; here is what happens then.
 * How it comes to a server is in session-connect.c, how the bytes move in
 * session-pump.c.
 *
 * Everything that sleeps (connect, close) is done by the life work, one step at
 * a time. An event may come from anywhere; it changes the state and, where the
 * new state asks for a step, queues the life work, which is all that it does.
 *
 * References: the session's own, dropped by session_end(); one for each time
 * that the life work is queued; one for each reader that must sleep. The pump
 * work, the timer and the callbacks need none: session_end() stops them all
 * before it drops the session's own.
 */
#include <linux/ctype.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "admission.h"
#include "choice-pick.h"
#include "client-hello.h"
#include "compat.h"
#include "events.h"
#include "fault.h"
#include "idle.h"
#include "listener.h"
#include "log.h"
#include "memcg.h"
#include "refuse.h"
#include "root.h"
#include "route.h"
#include "sample.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-pump.h"
#include "session-connect.h"
#include "session-splice.h"
#include "session-splice-start.h"
#include "session-table.h"
#include "shared.h"
#include "trace.h"
#include "upstream.h"

static struct kproxy_session *client_session(struct kproxy_sock *ks)
{
	return container_of(ks, struct kproxy_session, socks[KPROXY_CLIENT]);
}

static struct kproxy_session *server_session(struct kproxy_sock *ks)
{
	return container_of(ks, struct kproxy_session, socks[KPROXY_SERVER]);
}

/* The client's socket is locked. */
static void client_changed(struct kproxy_sock *ks)
{
	struct kproxy_session *s = client_session(ks);

	if (unlikely(s->splice)) {
		kproxy_splice_changed(s, KPROXY_CLIENT);
		return;
	}
	kproxy_session_socket_changed(s, KPROXY_CLIENT);
	kproxy_fault_point(KPROXY_POINT_CLIENT_CHANGED);
	if (kproxy_session_kick_flush(s, KPROXY_CLIENT) || !ks->sk->sk_err)
		return;
	/* If a server has answered, it gets the client's bytes first. */
	if (!kproxy_session_event(s, KPROXY_EV_CLIENT_LOST,
				  KPROXY_REASON_CLIENT_RESET))
		kproxy_session_failed(s, KPROXY_CLIENT);
}

/*
 * The server's socket is locked. While a server is chosen, this is of a connect
 * that was given up, or an idle connection that is about to be looked at.
 */
static void server_changed(struct kproxy_sock *ks)
{
	struct kproxy_session *s = server_session(ks);
	enum kproxy_state state = READ_ONCE(s->state);

	if (unlikely(s->splice)) {
		kproxy_splice_changed(s, KPROXY_SERVER);
		return;
	}
	if (state == KPROXY_CONNECTING)
		kproxy_session_connect_changed(s);
	if (kproxy_state_early(state))
		return;
	kproxy_fault_point(KPROXY_POINT_SERVER_CHANGED);
	kproxy_session_socket_changed(s, KPROXY_SERVER);
	if (!kproxy_session_kick_flush(s, KPROXY_SERVER) && ks->sk->sk_err)
		kproxy_session_failed(s, KPROXY_SERVER);
}

static void client_data_ready(struct kproxy_sock *ks)
{
	kproxy_session_data_ready(client_session(ks), KPROXY_CLIENT);
}

static void server_data_ready(struct kproxy_sock *ks)
{
	kproxy_session_data_ready(server_session(ks), KPROXY_SERVER);
}

static void client_write_space(struct kproxy_sock *ks)
{
	kproxy_session_write_space(client_session(ks), KPROXY_CLIENT);
}

static void server_write_space(struct kproxy_sock *ks)
{
	kproxy_session_write_space(server_session(ks), KPROXY_SERVER);
}

const struct kproxy_sock_ops kproxy_session_client_ops = {
	.data_ready = client_data_ready,
	.write_space = client_write_space,
	.changed = client_changed,
};

const struct kproxy_sock_ops kproxy_session_server_ops = {
	.data_ready = server_data_ready,
	.write_space = server_write_space,
	.changed = server_changed,
};

/* Wait until no process owns a socket of the session, then pump. */
static void session_wait_owner(struct kproxy_session *s)
{
	enum kproxy_side side;

	kproxy_fault_point(KPROXY_POINT_LIFE_OWNER);
	if (test_and_clear_bit(KPROXY_SESSION_UNCHECKED, &s->flags))
		kproxy_splice_check(s);
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		lock_sock(s->socks[side].sk);
		release_sock(s->socks[side].sk);
	}
	kproxy_session_kick_both(s);
}

/* Count the session for its client, if it may have one more: 0, or an error. */
static int session_admit(struct kproxy_session *s)
{
	const struct kproxy_listener_options *options = &s->listener->options;
	const struct kproxy_client_limits limits = {
		.maxconn = READ_ONCE(options->client_maxconn),
		.rate = READ_ONCE(options->client_rate),
	};
	struct kproxy_client *client;

	if (!limits.maxconn && !limits.rate)
		return 0;
	client = kproxy_admission_enter(&s->kn->admission, s->listener->obj.id,
					&s->client, &limits, jiffies);
	if (IS_ERR(client))
		return PTR_ERR(client);
	s->admitted = client;
	return 0;
}

static void session_leave(struct kproxy_session *s)
{
	if (s->admitted)
		kproxy_admission_leave(&s->kn->admission, s->admitted, jiffies);
}

/* What a client asks for in TLS; both are empty if it does not. */
struct hello_words {
	char sni[KPROXY_HELLO_NAME_SIZE];
	char alpn[KPROXY_HELLO_NAME_SIZE];
};

/* For lists and the log, where a name may end up in a line or on a terminal. */
static char sni_char(char c)
{
	return isascii(c) && (isalnum(c) || strchr(".-_", c)) ? c : '?';
}

/* Without memory for it the session goes on. */
static void session_keep_sni(struct kproxy_session *s, const char *name)
{
	char *sni, *c;

	if (s->sni || !*name)
		return;
	sni = kstrdup(name, GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);
	if (!sni)
		return;
	for (c = sni; *c; c++)
		*c = sni_char(*c);
	/* pairs with the address dependency of readers */
	smp_store_release(&s->sni, sni);
}

/* Return 0, or -EAGAIN if more must come. */
static int session_read_hello(struct kproxy_session *s,
			      struct hello_words *words)
{
	struct socket *client = s->socks[KPROXY_CLIENT].socket;
	int err;

	words->sni[0] = '\0';
	words->alpn[0] = '\0';
	if (!s->greeting.name)
		return 0;
	err = kproxy_greeting_hello(&s->greeting, client, KPROXY_HELLO_SNI,
				    words->sni);
	if (err)
		words->sni[0] = '\0';
	if (err == -EAGAIN)
		return err;
	session_keep_sni(s, words->sni);
	if (!s->greeting.alpn || (err && err != -ENOENT))
		return 0;
	err = kproxy_greeting_hello(&s->greeting, client, KPROXY_HELLO_ALPN,
				    words->alpn);
	if (err)
		words->alpn[0] = '\0';
	return err == -EAGAIN ? err : 0;
}

static struct kproxy_route_client
session_route_client(const struct kproxy_session *s,
		     const struct hello_words *words)
{
	return (struct kproxy_route_client){
		.sni = words ? words->sni : "",
		.alpn = words ? words->alpn : "",
		.from = &s->client,
		.port = ntohs(kproxy_addr_port(&s->local)),
	};
}

/* The client's addresses are known: whether a ClientHello must be waited for. */
static void session_plan_greeting(struct kproxy_session *s)
{
	const struct kproxy_route_client client = session_route_client(s, NULL);

	s->greeting.name = rcu_access_pointer(s->listener->routes) &&
			   kproxy_route_wants(s->listener, &client,
					      &s->greeting.alpn);
}

/* Where its client is led by a route, if it is. */
static struct kproxy_upstream *session_route(struct kproxy_session *s)
{
	struct kproxy_route_client client;
	struct hello_words words;

	if (!rcu_access_pointer(s->listener->routes) ||
	    session_read_hello(s, &words))
		return NULL;
	client = session_route_client(s, &words);
	return kproxy_route_upstream(s->listener, &client);
}

/* Look up the upstream again. Return true if it has changed. */
static bool session_reroute(struct kproxy_session *s)
{
	struct kproxy_upstream *up = session_route(s) ?:
				     kproxy_listener_upstream(s->listener);
	struct kproxy_upstream *old = s->upstream;

	if (!up)
		return false;
	/* Lists of sessions read it under RCU. */
	WRITE_ONCE(s->upstream, up);
	kproxy_upstream_put(old);
	return up != old;
}

/* Go to a server, if the client may: 0, -EBUSY to wait, or it may not begin. */
static int session_enter(struct kproxy_session *s)
{
	int found = session_admit(s);

	if (found)
		return found;
	/* Its upstream may have lost its servers because it was replaced. */
	do
		found = kproxy_session_choose(s);
	while (found == -ENOENT && session_reroute(s));
	return found;
}

/**
 * kproxy_session_announce() - count and announce a session
 * @s: the session, its life locked; its client is admitted
 *
 * Context: process, may sleep.
 */
void kproxy_session_announce(struct kproxy_session *s)
{
	s->begun = true;
	kproxy_stats_inc(s->net_stats, KPROXY_A_COUNTERS_SESSIONS_TOTAL);
	kproxy_stats_inc(s->listener_stats, KPROXY_A_COUNTERS_SESSIONS_TOTAL);
	kproxy_events->session(s, KPROXY_CMD_SESSION_BEGIN_NTF);
}

/* Return 0 if the greeting is complete; -EAGAIN if more must come; an error. */
static int session_read_greeting(struct kproxy_session *s)
{
	struct socket *client = s->socks[KPROXY_CLIENT].socket;
	struct hello_words words;
	int err;

	if (s->greeting.proxy) {
		err = kproxy_greeting_read(&s->greeting, client, &s->client,
					   &s->local);
		if (err)
			return err;
		session_plan_greeting(s);
	}
	err = session_read_hello(s, &words);
	if (!err && rcu_access_pointer(s->listener->routes))
		session_reroute(s);
	return err;
}

/* Read on; when the greeting is complete, the session begins. */
static void session_greet(struct kproxy_session *s)
{
	int err;

	kproxy_fault_point(KPROXY_POINT_LIFE_GREET);
	err = session_read_greeting(s);
	if (err == -EAGAIN)
		return;
	kproxy_fault_point(KPROXY_POINT_GREET_READ);
	if (!err)
		err = session_enter(s);
	if (err && err != -EBUSY) {
		if (kproxy_session_event(s, KPROXY_EV_REFUSED,
					 kproxy_refuse_reason(err)))
			kproxy_listener_refused(s->listener);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_GREET_ENTERED);
	/* A time-out of the greeting must not hit the connect. */
	timer_delete_sync(&s->timer);
	if (!kproxy_session_event(s, KPROXY_EV_GREETED, KPROXY_REASON_NONE))
		return;
	kproxy_fault_point(KPROXY_POINT_GREETED);
	kproxy_session_announce(s);
	if (err)
		kproxy_session_enqueue(s);
	else
		kproxy_session_connect(s);
}

/* By the reason, which is final, and by how long it was. */
static void session_count_end(const struct kproxy_session *s)
{
	unsigned int counter = KPROXY_COUNTS_END_REASONS + s->reason;

	kproxy_stats_inc(s->net_stats, counter);
	kproxy_stats_inc(s->listener_stats, counter);
	/* It may have waited for a server in vain. */
	if (kproxy_session_server(s))
		kproxy_stats_inc(kproxy_session_server(s)->stats, counter);
	if (s->connected)
		kproxy_server_add_time(kproxy_session_server(s),
				       KPROXY_TIME_SESSION,
				       ktime_us_delta(ktime_get(),
						      s->began_mono));
}

/*
 * Note how many bytes were passed on and not acknowledged. If there are any in
 * a session that both peers have closed, one of them has closed it by a reset.
 */
static void session_note_unacked(struct kproxy_session *s)
{
	static const enum kproxy_reason reset[KPROXY_SIDES] = {
		[KPROXY_CLIENT] = KPROXY_REASON_CLIENT_RESET,
		[KPROXY_SERVER] = KPROXY_REASON_SERVER_RESET,
	};
	enum kproxy_side side;

	if (!s->connected)
		return;
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		const struct kproxy_pump *pump = &s->pumps[!side];

		/* A header for the server is none of the client's bytes. */
		s->unacked[side] = min(kproxy_pump_bytes(pump),
				       kproxy_sock_unacked(s->socks[side].sk,
							   pump->ended));
		if (s->unacked[side] && s->state == KPROXY_DONE)
			WRITE_ONCE(s->reason, reset[side]);
	}
}

/* The round-trip time to the server, as TCP has measured it. */
static void session_note_rtt(const struct kproxy_session *s)
{
	struct kproxy_server *server = kproxy_session_server(s);
	u32 us;

	if (!s->connected || !server)
		return;
	us = READ_ONCE(tcp_sk(s->socks[KPROXY_SERVER].sk)->srtt_us) >> 3;
	if (us)
		kproxy_delay_add(&server->delay, us);
}

static void session_detach(struct kproxy_session *s)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (s->socks[side].socket)
			kproxy_sock_detach(&s->socks[side]);
}

static void session_close(struct kproxy_session *s, bool graceful)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		if (!s->socks[side].socket)
			continue;
		if (graceful)
			kproxy_sock_close(&s->socks[side]);
		else
			kproxy_sock_abort(&s->socks[side]);
	}
}

/* Whether the log has this session, and how many it has not before it. */
static bool session_sampled(const struct kproxy_session *s, u32 *omitted)
{
	struct kproxy_listener *l = s->listener;
	u32 every = READ_ONCE(l->options.log_sample);
	bool chosen;

	/* A flood of clients that no server has room for is like any other. */
	if (kproxy_reason_refused(s->reason))
		return kproxy_refuse_sample(l, omitted);
	chosen = kproxy_sample_session(get_cpu_ptr(l->sample), every, omitted);
	put_cpu_ptr(l->sample);
	if (chosen)
		return true;
	kproxy_stats_inc(s->net_stats, KPROXY_A_COUNTERS_UNLOGGED);
	kproxy_stats_inc(s->listener_stats, KPROXY_A_COUNTERS_UNLOGGED);
	return false;
}

static void session_log(const struct kproxy_session *s)
{
	u32 omitted;

	if (s->splice ? kproxy_splice_sampled(s, &omitted) :
			session_sampled(s, &omitted))
		kproxy_log_session(READ_ONCE(s->kn->log), s, omitted);
}

static void session_end(struct kproxy_session *s, bool graceful)
{
	struct kproxy_server *server = kproxy_session_server(s);

	kproxy_fault_point(KPROXY_POINT_LIFE_END);
	if (test_and_set_bit(KPROXY_SESSION_ENDED, &s->flags))
		return;
	kproxy_session_table_remove(s);
	kproxy_fault_point(KPROXY_POINT_END_TABLE);
	kproxy_session_dequeue(s);
	if (s->splice)
		kproxy_splice_quiet(s);
	else
		session_detach(s);
	kproxy_fault_point(KPROXY_POINT_END_DETACH);
	timer_shutdown_sync(&s->timer);
	kproxy_fault_point(KPROXY_POINT_END_TIMER);
	hrtimer_cancel(&s->coalesce_timer);
	/* Most sessions never needed it. */
	if (test_bit(KPROXY_SESSION_KICKED, &s->flags))
		cancel_work_sync(&s->pump_work);
	kproxy_fault_point(KPROXY_POINT_END_WORK);
	kproxy_session_end_stalls(s);
	session_note_unacked(s);
	session_note_rtt(s);
	kproxy_pump_drop_head(&s->pumps[KPROXY_CLIENT]);
	if (!s->begun && kproxy_reason_refused(s->reason))
		kproxy_refuse_session(s, s->reason);
	if (s->splice)
		kproxy_splice_return(s);
	else
		session_close(s, graceful);
	kproxy_fault_point(KPROXY_POINT_END_CLOSE);
	trace_kproxy_close(s);
	if (s->begun) {
		session_count_end(s);
		kproxy_events->session(s, KPROXY_CMD_SESSION_END_NTF);
		session_log(s);
	}
	if (server)
		kproxy_choice_release(server);
	kproxy_fault_point(KPROXY_POINT_END_RELEASE);
	session_leave(s);
	if (!s->splice)
		kproxy_listener_session_ended(s->listener);
	kproxy_fault_point(KPROXY_POINT_END_PUT);
	kproxy_session_put(s);
}

static void session_life_work(struct work_struct *work)
{
	struct kproxy_session *s =
		container_of(work, struct kproxy_session, life_work);
	struct mem_cgroup *memcg;
	enum kproxy_state state;

	mutex_lock(&s->life);
	state = READ_ONCE(s->state);
	if (kproxy_state_final(state)) {
		/* The reason may not be stored yet; whoever stores it requeues this work. */
		if (test_bit_acquire(KPROXY_SESSION_FINAL, &s->flags))
			session_end(s, state == KPROXY_DONE);
	} else if (state == KPROXY_GREETING) {
		memcg = kproxy_memcg_enter(s->socks[KPROXY_CLIENT].sk);
		session_greet(s);
		kproxy_memcg_leave(memcg);
	} else if (state == KPROXY_CHOOSING) {
		kproxy_session_connect_step(s);
	} else if (test_and_clear_bit(KPROXY_SESSION_OWNED, &s->flags)) {
		session_wait_owner(s);
	}
	mutex_unlock(&s->life);
	/* Closing a socket locks its inode, which is outside of a life. */
	if (s->splice && test_bit(KPROXY_SESSION_ENDED, &s->flags))
		kproxy_splice_let_go(s);
	kproxy_session_put(s);
}

/* Which of the times it was that is over. */
static enum kproxy_reason session_timeout_reason(const struct kproxy_session *s,
						 enum kproxy_state state)
{
	if (state == KPROXY_GREETING)
		return KPROXY_REASON_REFUSED_HEADER;
	if (s->times.age && time_after_eq(jiffies, s->began + s->times.age))
		return KPROXY_REASON_MAX_AGE;
	if (test_bit(KPROXY_SESSION_FAILED + KPROXY_CLIENT, &s->flags))
		return KPROXY_REASON_CLIENT_RESET;
	if (test_bit(KPROXY_SESSION_FAILED + KPROXY_SERVER, &s->flags))
		return KPROXY_REASON_SERVER_RESET;
	if (state == KPROXY_ESTABLISHED || s->splice)
		return KPROXY_REASON_IDLE_TIMEOUT;
	return KPROXY_REASON_FIN_TIMEOUT;
}

/*
 * A deadline that was the session's in @state has passed. When it is in another
 * state by now, that one's deadline is what counts.
 */
static void session_timeout(struct kproxy_session *s, enum kproxy_state state)
{
	if (kproxy_state_early(state) && state != KPROXY_GREETING &&
	    time_after_eq(jiffies, READ_ONCE(s->step_by))) {
		kproxy_fault_point(KPROXY_POINT_TIMER_CONNECT);
		if (state == KPROXY_CONNECTING)
			kproxy_session_connect_failed(s);
		else
			kproxy_session_schedule_life(s);
	} else if (!kproxy_session_event_in(s, state, KPROXY_EV_TIMEOUT,
				     session_timeout_reason(s, state))) {
		kproxy_session_arm(s);
	} else if (state == KPROXY_GREETING) {
		kproxy_listener_refused(s->listener);
	}
}

/*
 * Softirq. One timer for everything that takes too long, set for the next
 * time that may be over and then for the one that is next: bytes that move
 * never touch it.
 */
static void session_timer(struct timer_list *timer)
{
	struct kproxy_session *s = timer_container_of(s, timer, timer);
	unsigned long deadline;
	enum kproxy_state state;

	/*
	 * Pairs with that of kproxy_session_arm_by(): the timer was marked as
	 * no longer queued before this, and the session is looked at after it.
	 */
	smp_mb();
	state = READ_ONCE(s->state);
	if (kproxy_state_final(state))
		return;
	kproxy_fault_point(KPROXY_POINT_TIMER);
	if (test_and_clear_bit(KPROXY_SESSION_RETRY, &s->flags))
		kproxy_session_kick_both(s);
	if (!kproxy_session_deadline(s, state, &deadline))
		return;
	if (time_before(jiffies, deadline))
		/* A pump or an event may have set it earlier by now. */
		kproxy_session_arm_by(s, deadline);
	else
		session_timeout(s, state);
}

static void session_set_times(struct kproxy_session_times *times,
			      const struct kproxy_listener_options *options)
{
	times->connect = msecs_to_jiffies(READ_ONCE(options->connect_timeout));
	times->idle = msecs_to_jiffies(READ_ONCE(options->idle_timeout));
	times->fin = msecs_to_jiffies(READ_ONCE(options->fin_timeout));
	times->age = msecs_to_jiffies(READ_ONCE(options->max_age));
}

/**
 * kproxy_session_of() - return the session that a socket belongs to
 * @ks: the socket, or NULL
 * @side: where its side is stored
 *
 * Context: RCU read-side critical section.
 * Return: the session; NULL if the socket belongs to something else.
 */
struct kproxy_session *kproxy_session_of(struct kproxy_sock *ks,
					 enum kproxy_side *side)
{
	if (ks && ks->ops == &kproxy_session_client_ops) {
		*side = KPROXY_CLIENT;
		return client_session(ks);
	}
	if (ks && ks->ops == &kproxy_session_server_ops) {
		*side = KPROXY_SERVER;
		return server_session(ks);
	}
	return NULL;
}

/* How many chained sessions have led to this client. */
static unsigned int client_hops(const struct sock *client)
{
	const struct kproxy_session *s;
	struct kproxy_sock *peer;
	enum kproxy_side side;
	unsigned int hops = 0;

	rcu_read_lock();
	peer = kproxy_sock_peer(client, false);
	s = kproxy_session_of(peer, &side);
	if (peer && kproxy_idle_owns(peer))
		hops = 1;
	else if (s && (side == KPROXY_SERVER || s->splice))
		hops = s->hops + 1;
	rcu_read_unlock();
	return hops;
}

/**
 * kproxy_session_init() - set up a session that nobody knows yet
 * @s: the session, from the pool
 * @kn: its namespace
 *
 * Context: process.
 */
void kproxy_session_init(struct kproxy_session *s, struct kproxy_net *kn)
{
	memset(s, 0, sizeof(*s));
	s->state = KPROXY_CHOOSING;
	INIT_WORK(&s->pump_work, kproxy_session_pump_work);
	INIT_WORK(&s->life_work, session_life_work);
	mutex_init(&s->life);
	timer_setup(&s->timer, session_timer, 0);
	hrtimer_setup(&s->coalesce_timer, kproxy_session_coalesce_timer,
		      CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	kproxy_coalesce_init(&s->pumps[KPROXY_CLIENT].coalesce);
	kproxy_coalesce_init(&s->pumps[KPROXY_SERVER].coalesce);
	refcount_set(&s->refs, 1);
	s->id = kproxy_session_new_id(kn);
	s->began = jiffies;
	s->began_mono = ktime_get();
	s->began_real = ktime_get_real();
	s->pumps[KPROXY_CLIENT].last = jiffies;
	s->pumps[KPROXY_SERVER].last = jiffies;
	s->kn = kn;
	s->net_stats = kn->stats;
	INIT_LIST_HEAD(&s->waiter.node);
	s->waiter.wake = kproxy_session_wake;
}

static struct kproxy_session *session_new(struct kproxy_listener *l,
					  struct kproxy_upstream *up,
					  const struct sock *client,
					  unsigned int hops)
{
	struct kproxy_session *s = kproxy_pool_get(&kproxy_pool);

	if (!s)
		return NULL;
	kproxy_session_init(s, l->obj.kn);
	__set_bit(KPROXY_SESSION_LATE_ACKS, &s->flags);
	s->greeting.proxy = READ_ONCE(l->options.accept_proxy);
	s->hops = hops;
	s->listener = l;
	s->listener_stats = l->stats;
	s->upstream = up;
	session_set_times(&s->times, &l->options);
	kproxy_addr_peer(&s->client, client);
	kproxy_addr_local(&s->local, client);
	if (!s->greeting.proxy)
		session_plan_greeting(s);
	if (s->greeting.proxy || s->greeting.name)
		s->state = KPROXY_GREETING;
	return s;
}

/**
 * kproxy_session_publish() - let a session be found, killed and counted
 * @s: the session; its listener, if it has one, is held by the caller
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int kproxy_session_publish(struct kproxy_session *s)
{
	int err;

	err = kproxy_session_table_insert(s);
	if (err)
		return err;
	this_cpu_inc(s->kn->cpus->live);
	if (s->listener)
		kproxy_listener_hold(s->listener);
	trace_kproxy_accept(s);
	return 0;
}

/*
 * Begin a new session, whose life is locked. Return 0; -EBUSY if it has to wait
 * for a server; another error if it is refused. A session that begins with a
 * greeting is only entered into the table and counted as live.
 */
static int session_begin(struct kproxy_session *s)
{
	int found = 0, err;

	if (s->state != KPROXY_GREETING) {
		if (rcu_access_pointer(s->listener->routes))
			session_reroute(s);
		found = session_enter(s);
	}
	if (found && found != -EBUSY)
		return found;
	kproxy_fault_point(KPROXY_POINT_START_BEGUN);
	err = kproxy_session_publish(s);
	if (err) {
		kproxy_session_assign(s, NULL);
		return err;
	}
	if (s->state != KPROXY_GREETING)
		kproxy_session_announce(s);
	return found;
}

static void session_start_greeting(struct kproxy_session *s)
{
	WRITE_ONCE(s->step_by, jiffies + s->times.connect);
	kproxy_session_arm(s);
	session_greet(s);
}

/**
 * kproxy_session_start() - begin a session for a client
 * @l: the listener that accepted it, not closed before this returns
 * @from: the socket of the listener that it came from
 * @client: its socket, the session's from here on; counted with the listener
 *
 * A client that is over a limit, for which there is no server or no memory, or
 * which has come here by too many sessions, is reset and counted.
 *
 * Context: process, may sleep.
 */
void kproxy_session_start(struct kproxy_listener *l,
			  const struct kproxy_sock *from, struct socket *client)
{
	enum kproxy_reason reason = KPROXY_REASON_REFUSED_MEMORY;
	unsigned int hops = client_hops(client->sk);
	struct kproxy_upstream *up;
	struct kproxy_session *s;
	bool greet;
	int err;

	if (hops >= KPROXY_HOPS_MAX) {
		net_warn_ratelimited("kproxy: listener %s: client refused after %u chained sessions, loop of listeners?\n",
				     l->obj.name, hops);
		reason = KPROXY_REASON_REFUSED_LOOP;
		goto err_client;
	}
	if (!kproxy_memcg_give(client->sk, from->sk))
		goto err_client;
	up = kproxy_listener_upstream(l);
	if (!up) {
		reason = KPROXY_REASON_REFUSED_NO_SERVER;
		goto err_client;
	}
	s = session_new(l, up, client->sk, hops);
	if (!s)
		goto err_upstream;

	greet = s->state == KPROXY_GREETING;
	mutex_lock(&s->life);
	err = session_begin(s);
	if (err && err != -EBUSY)
		goto err_session;
	/* By the end of this the session may have ended. */
	refcount_inc(&s->refs);
	kproxy_fault_point(KPROXY_POINT_START_ATTACH);
	kproxy_sock_attach(&s->socks[KPROXY_CLIENT], client, from,
			   &kproxy_session_client_ops);
	kproxy_fault_point(KPROXY_POINT_START_ATTACHED);
	/* It may have failed before anybody was told. */
	if (client->sk->sk_err || client->sk->sk_state == TCP_CLOSE)
		kproxy_session_event(s, KPROXY_EV_CLIENT_LOST,
				     KPROXY_REASON_CLIENT_RESET);
	else if (greet)
		session_start_greeting(s);
	else if (err)
		kproxy_session_enqueue(s);
	else
		kproxy_session_connect(s);
	mutex_unlock(&s->life);
	kproxy_session_put(s);
	return;

err_session:
	session_leave(s);
	kproxy_listener_refused(l);
	kproxy_refuse_session(s, kproxy_refuse_reason(err));
	up = s->upstream;
	mutex_unlock(&s->life);
	mutex_destroy(&s->life);
	kproxy_pool_put(&kproxy_pool, s);
	kproxy_upstream_put(up);
	goto err_reset;
err_upstream:
	kproxy_upstream_put(up);
err_client:
	kproxy_refuse_client(l, client->sk, reason);
err_reset:
	kproxy_sock_reset(client);
	kproxy_listener_session_ended(l);
}
