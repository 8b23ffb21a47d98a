// SPDX-License-Identifier: GPL-2.0
/*
 * Idle connections to a server. Each CPU has a list of those that a session can
 * take, and of those that are not connected yet or are dead. preconnect.c decides
 * how many there are.
 *
 * Nothing is sent on such a connection. What the server sends stays in the
 * socket for the session that takes it. When the server closes or resets it,
 * the socket's callback takes it out of reach.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "connect.h"
#include "fault.h"
#include "idle.h"
#include "memcg.h"
#include "preconnect.h"
#include "server.h"
#include "sock.h"
#include "source.h"
#include "upstream.h"

enum idle_state {
	IDLE_CONNECTING,
	/* It can be taken. */
	IDLE_READY,
	/* It has failed or was closed. */
	IDLE_DEAD,
	/* It is in no list; the caller that removed it owns it. */
	IDLE_GONE,
};

/* One connection. */
struct kproxy_idle {
	struct kproxy_sock ks;
	/* Constant. */
	struct kproxy_server *server;
	struct kproxy_preconnect_cpu *pc;
	unsigned int generation;

	/* Under the lock of @pc. */
	struct list_head node;
	enum idle_state state;
	/* jiffies when it began to connect, and then when it was ready */
	unsigned long since;
	/* it was ready once */
	bool connected;

	struct rcu_head rcu;
};

/**
 * kproxy_idle_init() - initialize a CPU's lists
 * @pc: the lists, zeroed
 */
void kproxy_idle_init(struct kproxy_preconnect_cpu *pc)
{
	spin_lock_init(&pc->lock);
	INIT_LIST_HEAD(&pc->ready);
	INIT_LIST_HEAD(&pc->others);
}

/* Take one out of the lists; it is the caller's now. */
static void idle_remove(struct kproxy_idle *idle)
{
	lockdep_assert_held(&idle->pc->lock);
	if (idle->state == IDLE_READY)
		atomic_dec(&idle->server->preconnect.ready);
	if (idle->state != IDLE_DEAD)
		WRITE_ONCE(idle->pc->nr, idle->pc->nr - 1);
	idle->state = IDLE_GONE;
	list_del(&idle->node);
}

static void idle_set_ready(struct kproxy_idle *idle)
{
	if (idle->state != IDLE_CONNECTING)
		return;
	idle->state = IDLE_READY;
	idle->since = jiffies;
	idle->connected = true;
	list_move_tail(&idle->node, &idle->pc->ready);
	atomic_inc(&idle->server->preconnect.ready);
}

static bool idle_set_dead(struct kproxy_idle *idle)
{
	lockdep_assert_held(&idle->pc->lock);
	if (idle->state != IDLE_CONNECTING && idle->state != IDLE_READY)
		return false;
	if (idle->state == IDLE_READY)
		atomic_dec(&idle->server->preconnect.ready);
	idle->state = IDLE_DEAD;
	WRITE_ONCE(idle->pc->nr, idle->pc->nr - 1);
	list_move_tail(&idle->node, &idle->pc->others);
	return true;
}

/* The socket is locked. */
static void idle_changed(struct kproxy_sock *ks)
{
	struct kproxy_idle *idle = container_of(ks, struct kproxy_idle, ks);
	struct sock *sk = ks->sk;
	bool dead = false;

	kproxy_fault_point(KPROXY_POINT_IDLE_CHANGED);
	spin_lock_bh(&idle->pc->lock);
	if (sk->sk_err || (sk->sk_state != TCP_ESTABLISHED &&
			   sk->sk_state != TCP_SYN_SENT &&
			   sk->sk_state != TCP_SYN_RECV) ||
	    kproxy_sock_is_own_peer(sk))
		dead = idle_set_dead(idle);
	else if (sk->sk_state == TCP_ESTABLISHED)
		idle_set_ready(idle);
	spin_unlock_bh(&idle->pc->lock);
	kproxy_fault_point(KPROXY_POINT_IDLE_DEAD);
	if (dead)
		kproxy_preconnect_refill(idle->server);
}

static void idle_ignore(struct kproxy_sock *ks)
{
}

static const struct kproxy_sock_ops idle_ops = {
	.data_ready = idle_ignore,
	.write_space = idle_ignore,
	.changed = idle_changed,
};

/* It is out of the lists. */
static void idle_abort(struct kproxy_idle *idle)
{
	kproxy_fault_point(KPROXY_POINT_IDLE_CLOSE);
	kproxy_sock_detach(&idle->ks);
	kproxy_sock_abort(&idle->ks);
	kfree_rcu(idle, rcu);
}

static struct kproxy_idle *idle_new(struct kproxy_server *server,
				    struct kproxy_preconnect_cpu *pc)
{
	const struct sock *owner = server->upstream->owner;
	struct mem_cgroup *memcg;
	struct kproxy_idle *idle;

	if (!kproxy_memcg_room(owner))
		return NULL;
	memcg = kproxy_memcg_enter(owner);
	idle = kzalloc(sizeof(*idle), GFP_KERNEL_ACCOUNT);
	kproxy_memcg_leave(memcg);
	if (!idle)
		return NULL;
	idle->server = server;
	idle->pc = pc;
	/* Options that change after this make another generation. */
	idle->generation = READ_ONCE(server->preconnect.generation);
	/* pairs with that of kproxy_preconnect_replace_all() */
	smp_rmb();
	return idle;
}

/**
 * kproxy_idle_connect() - begin a connection
 * @server: the server
 * @pc: the lists of a CPU, which get it
 *
 * Context: process, may sleep. Only one caller at a time for each server.
 * Return: 0; -ENOMEM; or what opening or connecting a socket says.
 */
int kproxy_idle_connect(struct kproxy_server *server,
			struct kproxy_preconnect_cpu *pc)
{
	struct kproxy_idle *idle;
	struct socket *socket;
	int err;

	idle = idle_new(server, pc);
	if (!idle)
		return -ENOMEM;
	err = kproxy_connect_open(server, server->upstream->owner,
				  KPROXY_CONNECT_FOR_NOBODY, &socket);
	if (err) {
		kfree(idle);
		return err;
	}
	idle->since = jiffies;
	spin_lock_bh(&pc->lock);
	list_add_tail(&idle->node, &pc->others);
	WRITE_ONCE(pc->nr, pc->nr + 1);
	spin_unlock_bh(&pc->lock);
	kproxy_fault_point(KPROXY_POINT_IDLE_LISTED);
	kproxy_sock_attach_new(&idle->ks, socket, &idle_ops);
	err = kproxy_source_connect(server, socket, &server->addr, NULL);
	if (!err || err == -EINPROGRESS)
		return 0;
	spin_lock_bh(&pc->lock);
	idle_remove(idle);
	spin_unlock_bh(&pc->lock);
	idle_abort(idle);
	return err;
}

/* Whether one is to be closed, and whether that is a failure of the server. */
static bool idle_is_over(const struct kproxy_idle *idle, bool *failed)
{
	unsigned long age = jiffies - idle->since;

	if (idle->state == IDLE_DEAD ||
	    (idle->state == IDLE_CONNECTING &&
	     age >= KPROXY_IDLE_CONNECT_TIMEOUT)) {
		if (!idle->connected || age < KPROXY_IDLE_LIFE_MIN)
			*failed = true;
		return true;
	}
	return idle->generation !=
	       READ_ONCE(idle->server->preconnect.generation);
}

/**
 * kproxy_idle_reap() - remove what is over, and what is more than is wanted
 * @pc: the lists of a CPU
 * @want: how many connections are wanted there
 * @out: gets the connections that are to be closed, by kproxy_idle_close()
 * @failed: set to true if one of them was a failure of the server
 *
 * Context: process.
 */
void kproxy_idle_reap(struct kproxy_preconnect_cpu *pc, unsigned int want,
		      struct list_head *out, bool *failed)
{
	struct list_head *lists[] = { &pc->others, &pc->ready };
	struct kproxy_idle *idle, *next;
	int i;

	spin_lock_bh(&pc->lock);
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_entry_safe(idle, next, lists[i], node)
			if (idle_is_over(idle, failed)) {
				idle_remove(idle);
				list_add_tail(&idle->node, out);
			}
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_entry_safe(idle, next, lists[i], node) {
			if (pc->nr <= want)
				break;
			idle_remove(idle);
			list_add_tail(&idle->node, out);
		}
	spin_unlock_bh(&pc->lock);
}

/**
 * kproxy_idle_close() - close connections that kproxy_idle_reap() removed
 * @list: the connections
 *
 * Context: process, may sleep.
 */
void kproxy_idle_close(struct list_head *list)
{
	struct kproxy_idle *idle, *next;

	list_for_each_entry_safe(idle, next, list, node)
		idle_abort(idle);
}

/**
 * kproxy_idle_take() - take a connection that is ready
 * @pc: the lists of a CPU
 * @generation: the generation that it must have
 *
 * Context: process.
 * Return: the connection, for kproxy_idle_pass(); NULL if there is none.
 */
struct kproxy_idle *kproxy_idle_take(struct kproxy_preconnect_cpu *pc,
				     unsigned int generation)
{
	struct kproxy_idle *idle;

	spin_lock_bh(&pc->lock);
	list_for_each_entry(idle, &pc->ready, node) {
		if (idle->generation != generation)
			continue;
		idle_remove(idle);
		spin_unlock_bh(&pc->lock);
		return idle;
	}
	spin_unlock_bh(&pc->lock);
	return NULL;
}

/**
 * kproxy_idle_left() - how many are left in the lists of a connection's CPU
 * @idle: from kproxy_idle_take()
 *
 * Context: any.
 * Return: how many, without the dead.
 */
unsigned int kproxy_idle_left(const struct kproxy_idle *idle)
{
	return READ_ONCE(idle->pc->nr);
}

/**
 * kproxy_idle_pass() - give a connection to another owner
 * @idle: from kproxy_idle_take(); freed
 * @ks: what its socket is attached to, the caller's, as of kproxy_sock_pass()
 * @ops: the new owner's operations
 *
 * Context: process, may sleep.
 */
void kproxy_idle_pass(struct kproxy_idle *idle, struct kproxy_sock *ks,
		      const struct kproxy_sock_ops *ops)
{
	kproxy_sock_pass(&idle->ks, ks, ops);
	kproxy_fault_point(KPROXY_POINT_IDLE_TAKEN);
	kfree_rcu(idle, rcu);
}

/**
 * kproxy_idle_owns() - whether a socket is a connection for later
 * @ks: the socket
 *
 * Context: any in which @ks does not go away.
 * Return: true if no session has taken it yet.
 */
bool kproxy_idle_owns(const struct kproxy_sock *ks)
{
	return ks->ops == &idle_ops;
}
