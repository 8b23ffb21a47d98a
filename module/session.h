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
struct kproxy_splice;
struct kproxy_upstream;
struct socket;

/* The sockets of a session; also names a direction, by its from socket. */
enum kproxy_side {
	KPROXY_CLIENT,
	KPROXY_SERVER,

	KPROXY_SIDES
};

/*
 * Written when a session begins, ends or runs out of memory: every run of a
 * pump reads them. What changes more often is among the flags of a pump.
 */
enum kproxy_session_flag {
	/* The client's, the server's socket has failed. */
	KPROXY_SESSION_FAILED,
	/* The client's, the server's socket has reached TCP_CLOSE. */
	KPROXY_SESSION_CLOSED = KPROXY_SESSION_FAILED + KPROXY_SIDES,
	/* A failed socket's received bytes are being flushed to its peer. */
	KPROXY_SESSION_FLUSHING = KPROXY_SESSION_CLOSED + KPROXY_SIDES,
	/* Memory was short; the session's timer retries the pumps. */
	KPROXY_SESSION_RETRY,
	/* A process owns a socket; the life work waits until it is released. */
	KPROXY_SESSION_OWNED,
	/* The client's socket delays its ACKs: kproxy_sock_delay_acks(). */
	KPROXY_SESSION_LATE_ACKS,
	/* The pump work was queued at least once. */
	KPROXY_SESSION_KICKED,
	/* The life work is in connect() and runs the pumps afterwards. */
	KPROXY_SESSION_IN_CONNECT,
	/* The state is final and the reason is stored. */
	KPROXY_SESSION_FINAL,
	/* session_end() has begun. */
	KPROXY_SESSION_ENDED,
	/* It is a splice. */
	KPROXY_SESSION_SPLICE,
	/* A splice whose sockets the life work has not looked at yet. */
	KPROXY_SESSION_UNCHECKED,
	/* A program has disconnected its socket a, b; under that socket's lock. */
	KPROXY_SESSION_LEFT,
};

/*
 * Most sessions in a row, each the client of the next. A server may be a
 * listener of ours, but one that leads back to itself must come to an end.
 */
#define KPROXY_HOPS_MAX 8

/* The listener's timeouts when the session began; in jiffies, 0 for none. */
struct kproxy_session_times {
	u32 connect;
	u32 idle;
	u32 fin;
	u32 age;
};

/*
 * A session. Fields without a locking note are constant while a socket is
 * attached. Hot fields come first: those that every run of a pump reads, then
 * one cache line per direction, then those used only when a session begins or
 * ends.
 */
struct kproxy_session {
	/* enum kproxy_state, changed by cmpxchg() */
	int state;
	/* enum kproxy_reason, by cmpxchg() until the state is final */
	int reason;
	/* enum kproxy_session_flag, atomic bits */
	unsigned long flags;
	struct kproxy_sock socks[KPROXY_SIDES];
	struct kproxy_stats __percpu *net_stats;
	struct kproxy_stats __percpu *listener_stats;
	struct kproxy_stats __percpu *server_stats;
	/* Not hot, but fills the cache line. */
	struct kproxy_net *kn;
	/* NULL for a splice */
	struct kproxy_listener *listener;
	/* NULL for a splice */
	struct kproxy_upstream *upstream;
	u64 id;
	/* jiffies when the session began */
	unsigned long began;

	/* Indexed by from socket; each under its to socket's lock. */
	struct kproxy_pump pumps[KPROXY_SIDES];

	/* Runs the pumps, in softirq, with both sockets locked. */
	struct work_struct pump_work ____cacheline_aligned_in_smp;
	/* Runs the session's steps, in process context. */
	struct work_struct life_work;
	/* Serialises the steps; taken with no other lock held. */
	struct mutex life;
	/* Timeouts, and retries of the pumps. */
	struct timer_list timer;
	/* Ends coalescing that takes too long. */
	struct hrtimer coalesce_timer;
	refcount_t refs;
	struct rcu_head rcu;

	/*
	 * Under @life; @server read under RCU, NULL while the session greets or
	 * waits.
	 */
	struct kproxy_server __rcu *server;
	unsigned int tries;
	/* in the upstream's queue, without a server */
	bool waiting;
	struct kproxy_waiter waiter;
	/* kproxy_choice_bit() of each server that failed to connect */
	u64 tried;
	/* under @life: where the session is counted for client limits */
	struct kproxy_client *admitted;
	/* under @life */
	struct kproxy_greeting greeting;
	/*
	 * Server name that the client has asked for, NULL for none. Set once, under
	 * @life; read under RCU.
	 */
	char *sni;
	/* under @life: the session was announced, the client is admitted */
	bool begun;
	/* jiffies when the greeting, wait, connect or flush times out */
	unsigned long step_by;
	/* Under @life, at the end: bytes sent and not acknowledged. */
	u32 unacked[KPROXY_SIDES];

	/* NULL for a session of a listener */
	struct kproxy_splice *splice;
	struct rhash_head node;
	/* chained kproxy sessions between this one and the real client */
	unsigned int hops;
	/* the same moment by two more clocks, in nanoseconds */
	ktime_t began_mono;
	ktime_t began_real;
	/* under @life, before the connect: when the connect began */
	ktime_t connect_began;
	/* when a server answered, 0 before; read after the session has ended */
	ktime_t connected;
	struct kproxy_session_times times;
	/* under @life; lockless readers may see a half-written address */
	union kproxy_addr client;
	union kproxy_addr local;
	union kproxy_addr source;
};

/* How long the flush of a failed socket may make no progress, in jiffies. */
static inline unsigned long
kproxy_session_flush_time(const struct kproxy_session *s)
{
	return s->times.fin ?: 60 * HZ;
}

/* For the server's socket. */
extern const struct kproxy_sock_ops kproxy_session_server_ops;
/* For the client's socket. */
extern const struct kproxy_sock_ops kproxy_session_client_ops;

struct kproxy_session *kproxy_session_of(struct kproxy_sock *ks,
					 enum kproxy_side *side);
void kproxy_session_init(struct kproxy_session *s, struct kproxy_net *kn);
int kproxy_session_publish(struct kproxy_session *s);
void kproxy_session_announce(struct kproxy_session *s);
void kproxy_session_start(struct kproxy_listener *l,
			  const struct kproxy_sock *from,
			  struct socket *client);

#endif /* _KPROXY_SESSION_H */
