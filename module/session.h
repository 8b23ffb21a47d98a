/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_H
#define _KPROXY_SESSION_H

#include <linux/cache.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "greeting.h"
#include "pump.h"
#include "queue.h"
#include "sock.h"
#include "state.h"
#include "stats.h"

struct kproxy_client;
struct kproxy_listener;
struct kproxy_net;
struct kproxy_server;
struct kproxy_upstream;
struct socket;

/* The two sockets of a session, and the direction that each is the source of. */
enum kproxy_side {
	KPROXY_CLIENT,
	KPROXY_SERVER,

	KPROXY_SIDES
};

enum kproxy_session_flag {
	/* Pump from the client, from the server: for the pump work. */
	KPROXY_SESSION_WANTED,
	/* Such a run was put off because the destination's lock was busy. */
	KPROXY_SESSION_DEFERRED = KPROXY_SESSION_WANTED + KPROXY_SIDES,
	/* The client's, the server's socket has failed. */
	KPROXY_SESSION_FAILED = KPROXY_SESSION_DEFERRED + KPROXY_SIDES,
	/* The client's, the server's socket has come to its end. */
	KPROXY_SESSION_CLOSED = KPROXY_SESSION_FAILED + KPROXY_SIDES,
	/* What a failed socket had received is still on its way. */
	KPROXY_SESSION_DRAINING = KPROXY_SESSION_CLOSED + KPROXY_SIDES,
	/* What has come from the client, from the server is held back. */
	KPROXY_SESSION_HELD,
	/* That was in vain: no more has come. */
	KPROXY_SESSION_IN_VAIN = KPROXY_SESSION_HELD + KPROXY_SIDES,
	/* Memory was short; the timer has the pumps tried again. */
	KPROXY_SESSION_RETRY = KPROXY_SESSION_IN_VAIN + KPROXY_SIDES,
	/* A process owns a socket; the life work waits for it. */
	KPROXY_SESSION_OWNED,
	/* The client's socket acknowledges late: kproxy_sock_delay_acks(). */
	KPROXY_SESSION_LATE_ACKS,
	/* The pump work was queued, once or more. */
	KPROXY_SESSION_KICKED,
	/* The life work connects, and pumps what has come when it is done. */
	KPROXY_SESSION_ASKING,
	/* The state is final, and so is the reason. */
	KPROXY_SESSION_FINAL,
	/* session_end() has begun. */
	KPROXY_SESSION_ENDED,
};

/* Times of a session's listener when it began; in jiffies, 0 for none. */
struct kproxy_session_times {
	u32 connect;
	u32 idle;
	u32 fin;
	u32 age;
};

/*
 * A session. Fields without a word on it are constant while a socket is
 * attached. The hot ones come first: what every run of the pump reads, then
 * one cache line for each direction, then what only begins and ends need.
 */
struct kproxy_session {
	/* enum kproxy_state, changed by cmpxchg() */
	int state;
	/* enum kproxy_reason, by cmpxchg() until the state is final */
	int reason;
	/* enum kproxy_session_flag, atomic bits */
	unsigned long flags;
	struct kproxy_sock ends[KPROXY_SIDES];
	struct kproxy_stats __percpu *net_stats;
	struct kproxy_stats __percpu *listener_stats;
	struct kproxy_stats __percpu *server_stats;
	/* Here for the room that there is. */
	struct kproxy_net *kn;
	struct kproxy_listener *listener;
	struct kproxy_upstream *upstream;
	u64 id;
	/* jiffies when it began */
	unsigned long began;

	/* By source; each under its destination's lock. */
	struct kproxy_pump pumps[KPROXY_SIDES];

	/* Pumps, in softirq; any of the two sockets' locks. */
	struct work_struct pump_work ____cacheline_aligned_in_smp;
	/* The steps of its life, in process context. */
	struct work_struct life_work;
	/* Serialises those; taken by nothing that holds another lock. */
	struct mutex life;
	/* Time-outs and the pump's retries. */
	struct timer_list timer;
	/* What is held back for too long. */
	struct hrtimer hold_timer;
	refcount_t refs;
	struct rcu_head rcu;

	/* Under @life, @server for readers under RCU; NULL while it waits or greets. */
	struct kproxy_server __rcu *server;
	unsigned int tries;
	/* in the upstream's queue, without a server */
	bool waiting;
	struct kproxy_waiter waiter;
	/* kproxy_choice_bit() of each server that could not be reached */
	u64 tried;
	/* under @life: where the session is counted, if clients are limited */
	struct kproxy_client *admitted;
	/* under @life */
	struct kproxy_greeting greeting;
	/* under @life: it was told of, its client may have it */
	bool begun;
	/* jiffies when a greeting, a wait, a connect or a drain takes too long */
	unsigned long step_by;
	/* Under @life, at the end: bytes that a peer was sent and did not acknowledge. */
	u32 unacked[KPROXY_SIDES];

	struct rhash_head node;
	/* sessions between this one and a client that is not kproxy itself */
	unsigned int hops;
	/* when it began, by two more clocks, in nanoseconds */
	ktime_t began_mono;
	ktime_t began_real;
	/* under @life, before the connect: when the server was asked */
	ktime_t asked;
	/* when a server had answered, 0 before; read when it has ended */
	ktime_t connected;
	struct kproxy_session_times times;
	/* under @life; readers may see one that is half written */
	union kproxy_addr client;
	union kproxy_addr local;
	union kproxy_addr source;
};

/* How long what a failed socket had received may stand still, in jiffies. */
static inline unsigned long
kproxy_session_drain_time(const struct kproxy_session *s)
{
	return s->times.fin ?: 60 * HZ;
}

/* Of the server's socket. */
extern const struct kproxy_sock_ops kproxy_session_server_ops;

void kproxy_session_start(struct kproxy_listener *l,
			  const struct kproxy_sock *from,
			  struct socket *client);

#endif /* _KPROXY_SESSION_H */
