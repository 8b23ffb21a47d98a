// SPDX-License-Identifier: GPL-2.0
/*
 * Connections to servers that are made before a client comes. Each CPU has a
 * list of those that a session can take, and of those that are not connected
 * yet or are dead. A work fills the lists up, off the path of any session; it
 * alone, or who has disabled it, closes what is in them.
 *
 * Nothing is sent on such a connection. What the server sends stays in the
 * socket for the session that takes it. When the server closes or resets it,
 * the socket's callback takes it out of reach. After one that has failed or did
 * not live for long the work waits, longer each time, so that a server that
 * does not like it is not stormed.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "connect.h"
#include "fault.h"
#include "memcg.h"
#include "owner.h"
#include "preconnect.h"
#include "root.h"
#include "server.h"
#include "sock.h"
#include "source.h"
#include "upstream.h"

/* Works of a namespace that may run at a time, each for some microseconds. */
#define PRECONNECT_WORKS 8

/* Connects that are begun in one go; then the next tick is waited for. */
#define CONNECT_BATCH 16

/* How long a server may take to answer. */
#define CONNECT_TIMEOUT (5 * HZ)

/* How long to wait after a failure, at first and at most. */
#define BACKOFF_MIN (HZ / 10 ?: 1)
#define BACKOFF_MAX (10 * HZ)

/* One that is closed after this time was merely idle for too long. */
#define LIFE_MIN (5 * HZ)

enum idle_state {
	IDLE_CONNECTING,
	/* It can be taken. */
	IDLE_READY,
	/* It has failed or was closed. */
	IDLE_DEAD,
	/* It is in no list, and belongs to whoever took it out. */
	IDLE_GONE,
};

/* One CPU's connections. */
struct kproxy_preconnect_cpu {
	/* Protects the rest, but for the counters, and what is in the lists. */
	spinlock_t lock;
	/* the oldest first */
	struct list_head ready;
	/* connecting or dead */
	struct list_head others;
	/* in both lists, without the dead */
	unsigned int nr;
	/* this_cpu_inc() */
	u64 used;
	u64 missed;
};

/* One connection. */
struct idle {
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

static struct workqueue_struct *preconnect_wq(const struct kproxy_server *server)
{
	return READ_ONCE(server->upstream->obj.kn->preconnect_wq);
}

/* Take one out of the lists; it is the caller's now. */
static void idle_remove(struct idle *idle)
{
	lockdep_assert_held(&idle->pc->lock);
	if (idle->state == IDLE_READY)
		atomic_dec(&idle->server->preconnect.ready);
	if (idle->state != IDLE_DEAD)
		WRITE_ONCE(idle->pc->nr, idle->pc->nr - 1);
	idle->state = IDLE_GONE;
	list_del(&idle->node);
}

static void idle_set_ready(struct idle *idle)
{
	if (idle->state != IDLE_CONNECTING)
		return;
	idle->state = IDLE_READY;
	idle->since = jiffies;
	idle->connected = true;
	list_move_tail(&idle->node, &idle->pc->ready);
	atomic_inc(&idle->server->preconnect.ready);
}

static bool idle_set_dead(struct idle *idle)
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
	struct idle *idle = container_of(ks, struct idle, ks);
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
static void idle_close(struct idle *idle)
{
	kproxy_fault_point(KPROXY_POINT_IDLE_CLOSE);
	kproxy_sock_detach(&idle->ks);
	kproxy_sock_abort(&idle->ks);
	kfree_rcu(idle, rcu);
}

static struct idle *idle_new(struct kproxy_server *server,
			     struct kproxy_preconnect_cpu *pc)
{
	const struct sock *owner = server->upstream->owner;
	struct mem_cgroup *memcg;
	struct idle *idle;

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

static int idle_connect(struct kproxy_server *server,
			struct kproxy_preconnect_cpu *pc)
{
	struct socket *socket;
	struct idle *idle;
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
	idle_close(idle);
	return err;
}

/* Whether one is to be closed, and whether that is a failure of the server. */
static bool idle_is_over(const struct idle *idle, bool *failed)
{
	unsigned long age = jiffies - idle->since;

	if (idle->state == IDLE_DEAD ||
	    (idle->state == IDLE_CONNECTING && age >= CONNECT_TIMEOUT)) {
		if (!idle->connected || age < LIFE_MIN)
			*failed = true;
		return true;
	}
	return idle->generation !=
	       READ_ONCE(idle->server->preconnect.generation);
}

/* Move to @out what is over, and what is more than @want. */
static void cpu_reap(struct kproxy_preconnect_cpu *pc, unsigned int want,
		     struct list_head *out, bool *failed)
{
	struct list_head *lists[] = { &pc->others, &pc->ready };
	struct idle *idle, *next;
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

static void close_list(struct list_head *list)
{
	struct idle *idle, *next;

	list_for_each_entry_safe(idle, next, list, node)
		idle_close(idle);
}

/* How many each CPU is to have now, of @left that there may be in all. */
static unsigned int cpu_want(const struct kproxy_server *server, int cpu,
			     unsigned int *left)
{
	unsigned int want = 0;

	if (cpu_online(cpu))
		want = min(READ_ONCE(server->upstream->options.preconnect),
			   *left);
	*left -= want;
	return want;
}

/* What its limit leaves besides its sessions. */
static unsigned int server_room(const struct kproxy_server *server)
{
	unsigned int max = READ_ONCE(server->options.maxconn);
	unsigned int sessions = atomic_read(&server->sessions);

	if (!kproxy_server_usable(server))
		return 0;
	if (!max)
		return UINT_MAX;
	return max > sessions ? max - sessions : 0;
}

/* Close what is of no use: true if that is a failure of the server. */
static bool server_reap(struct kproxy_server *server)
{
	unsigned int left = server_room(server);
	bool failed = false;
	LIST_HEAD(out);
	int cpu;

	for_each_possible_cpu(cpu)
		cpu_reap(per_cpu_ptr(server->preconnect.cpus, cpu),
			 cpu_want(server, cpu, &left), &out, &failed);
	kproxy_fault_point(KPROXY_POINT_IDLE_REAP);
	close_list(&out);
	return failed;
}

/* Begin what is missing: how much is missing still, or why nothing works. */
static int server_fill(struct kproxy_server *server)
{
	unsigned int left = server_room(server), want, have;
	int cpu, err, n = 0, missing = 0;

	for_each_possible_cpu(cpu) {
		struct kproxy_preconnect_cpu *pc =
			per_cpu_ptr(server->preconnect.cpus, cpu);

		want = cpu_want(server, cpu, &left);
		/* One that dies meanwhile is not replaced at once. */
		have = READ_ONCE(pc->nr);
		for (; have < want && n < CONNECT_BATCH; have++, n++) {
			err = idle_connect(server, pc);
			if (err)
				return err;
		}
		if (have < want)
			missing += want - have;
	}
	return missing;
}

/* Whether some have not been answered yet. */
static bool server_connecting(const struct kproxy_server *server)
{
	unsigned int nr = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		nr += READ_ONCE(per_cpu_ptr(server->preconnect.cpus, cpu)->nr);
	return nr > atomic_read(&server->preconnect.ready);
}

static bool preconnect_pauses(const struct kproxy_preconnect *p)
{
	return p->backoff && time_before(jiffies, p->not_before);
}

/* Longer each time, unless nothing has failed for a while. */
static void preconnect_back_off(struct kproxy_preconnect *p)
{
	if (time_after(jiffies, p->not_before + LIFE_MIN))
		p->backoff = 0;
	p->backoff = clamp(2 * p->backoff, BACKOFF_MIN, BACKOFF_MAX);
	p->not_before = jiffies + p->backoff;
}

/* Return: false if the work was queued already, for whatever time. */
static bool preconnect_again(struct kproxy_server *server, unsigned long delay)
{
	return queue_delayed_work(preconnect_wq(server),
				  &server->preconnect.work, delay);
}

static void preconnect_work(struct work_struct *work)
{
	struct kproxy_server *server = container_of(to_delayed_work(work),
						    struct kproxy_server,
						    preconnect.work);
	struct kproxy_preconnect *p = &server->preconnect;
	int missing;

	WRITE_ONCE(p->waits, false);
	if (server_reap(server) && !preconnect_pauses(p))
		preconnect_back_off(p);
	if (preconnect_pauses(p)) {
		preconnect_again(server, p->not_before - jiffies);
		return;
	}
	missing = server_fill(server);
	if (missing < 0) {
		preconnect_back_off(p);
		preconnect_again(server, p->backoff);
	} else if (missing) {
		preconnect_again(server, 1);
	} else if (server_connecting(server)) {
		/* A caller that finds the work queued sees this: queueing is a barrier. */
		WRITE_ONCE(p->waits, true);
		/* What has not been answered by then is given up. */
		preconnect_again(server, CONNECT_TIMEOUT);
	}
}

/**
 * kproxy_preconnect_open() - have a namespace ready to connect ahead
 * @kn: the namespace's root, its lock held
 *
 * Each namespace has a queue of its own, so that none waits for another.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_preconnect_open(struct kproxy_net *kn)
{
	struct workqueue_struct *wq;

	lockdep_assert_held(&kn->lock);
	if (kn->preconnect_wq)
		return 0;
	wq = alloc_workqueue("kproxy_preconnect", WQ_UNBOUND,
			     PRECONNECT_WORKS);
	/* pairs with READ_ONCE() in preconnect_wq() */
	smp_store_release(&kn->preconnect_wq, wq);
	return wq ? 0 : -ENOMEM;
}

/**
 * kproxy_preconnect_prepare() - make a server one that can have connections
 * @server: the server, new
 *
 * What it needs for that is freed with it.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_preconnect_prepare(struct kproxy_server *server)
{
	struct kproxy_preconnect *p = &server->preconnect;
	struct kproxy_preconnect_cpu *pc;
	int cpu;

	p->cpus = alloc_percpu_gfp(struct kproxy_preconnect_cpu,
				   GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!p->cpus)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		pc = per_cpu_ptr(p->cpus, cpu);
		spin_lock_init(&pc->lock);
		INIT_LIST_HEAD(&pc->ready);
		INIT_LIST_HEAD(&pc->others);
	}
	INIT_DELAYED_WORK(&p->work, preconnect_work);
	return 0;
}

/**
 * kproxy_preconnect_apply() - have the connections that are wanted now
 * @server: the server; its options, its upstream's or its health have changed
 *
 * Context: any.
 */
void kproxy_preconnect_apply(struct kproxy_server *server)
{
	struct workqueue_struct *wq = preconnect_wq(server);

	/* No upstream of the namespace has ever wanted connections. */
	if (wq)
		mod_delayed_work(wq, &server->preconnect.work, 0);
}

/**
 * kproxy_preconnect_replace_all() - take none any more that is there now
 * @server: the server, its namespace's lock held; the options that connections
 *	are made with have changed
 *
 * Context: process.
 */
void kproxy_preconnect_replace_all(struct kproxy_server *server)
{
	struct kproxy_preconnect *p = &server->preconnect;

	lockdep_assert_held(&server->upstream->obj.kn->lock);
	/* The options come first: pairs with that of idle_connect(). */
	smp_wmb();
	WRITE_ONCE(p->generation, p->generation + 1);
	kproxy_preconnect_apply(server);
}

/**
 * kproxy_preconnect_refill() - there may be fewer than are wanted
 * @server: the server
 *
 * A failure is waited out all the same. It costs little when there are none.
 *
 * Context: any.
 */
void kproxy_preconnect_refill(struct kproxy_server *server)
{
	if (READ_ONCE(server->upstream->options.preconnect))
		kproxy_preconnect_apply(server);
}

/**
 * kproxy_preconnect_stop() - close them all, and make no more
 * @server: the server, which is deleted, or whose namespace ends
 *
 * Context: process, may sleep.
 */
void kproxy_preconnect_stop(struct kproxy_server *server)
{
	bool failed = false;
	LIST_HEAD(out);
	int cpu;

	/* No callback queues it after this. */
	disable_delayed_work_sync(&server->preconnect.work);
	for_each_possible_cpu(cpu)
		cpu_reap(per_cpu_ptr(server->preconnect.cpus, cpu), 0, &out,
			 &failed);
	close_list(&out);
}

static struct idle *cpu_take(struct kproxy_preconnect_cpu *pc,
			     unsigned int generation)
{
	struct idle *idle;

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

/* This CPU's first, then any other's. */
static struct idle *server_take(struct kproxy_preconnect *p)
{
	unsigned int generation = READ_ONCE(p->generation);
	int cpu = raw_smp_processor_id(), n;
	struct idle *idle;

	for (n = 0; n < nr_cpu_ids && atomic_read(&p->ready); n++) {
		if (cpu_possible(cpu)) {
			idle = cpu_take(per_cpu_ptr(p->cpus, cpu), generation);
			if (idle)
				return idle;
		}
		if (++cpu == nr_cpu_ids)
			cpu = 0;
	}
	return NULL;
}

/*
 * Replace the one that was taken, in the next tick and together with others, as
 * long as there is enough for that.
 */
static void preconnect_replace(struct kproxy_server *server,
			       const struct idle *idle)
{
	unsigned int want = READ_ONCE(server->upstream->options.preconnect);

	if (!idle || 2 * READ_ONCE(idle->pc->nr) <= want)
		kproxy_preconnect_apply(server);
	else if (!preconnect_again(server, 1) &&
		 READ_ONCE(server->preconnect.waits))
		/* The work was queued for CONNECT_TIMEOUT: run it in a tick. */
		mod_delayed_work(preconnect_wq(server),
				 &server->preconnect.work, 1);
}

/**
 * kproxy_preconnect_take() - get a connection to a server
 * @server: the server, held
 * @owner: the client's socket
 * @ks: what its socket is attached to, the caller's, as of kproxy_sock_pass()
 * @ops: who is told
 *
 * There is none for a client whose listener has another owner than the
 * upstream: rules for the one were not asked when it was made, and the other
 * paid for it.
 *
 * It was connected and nothing was wrong with it a moment ago. What has come
 * since then, or before, the caller looks for after this.
 *
 * Context: process, may sleep.
 * Return: whether there was one; if not, @ks is untouched.
 */
bool kproxy_preconnect_take(struct kproxy_server *server,
			    const struct sock *owner, struct kproxy_sock *ks,
			    const struct kproxy_sock_ops *ops)
{
	struct kproxy_preconnect *p = &server->preconnect;
	struct idle *idle = NULL;

	if (!READ_ONCE(server->upstream->options.preconnect))
		return false;
	if (kproxy_owner_same(server->upstream->owner, owner)) {
		idle = server_take(p);
		preconnect_replace(server, idle);
	}
	if (!idle) {
		this_cpu_inc(p->cpus->missed);
		return false;
	}
	this_cpu_inc(p->cpus->used);
	kproxy_fault_point(KPROXY_POINT_IDLE_TAKE);
	kproxy_sock_pass(&idle->ks, ks, ops);
	kproxy_fault_point(KPROXY_POINT_IDLE_TAKEN);
	kfree_rcu(idle, rcu);
	return true;
}

/**
 * kproxy_preconnect_owns() - whether a socket is a connection for later
 * @ks: the socket
 *
 * Context: any in which @ks does not go away.
 * Return: true if no session has taken it yet.
 */
bool kproxy_preconnect_owns(const struct kproxy_sock *ks)
{
	return ks->ops == &idle_ops;
}

/**
 * kproxy_preconnect_sum() - what was counted of a server's connections
 * @server: the server
 * @sum: the totals
 *
 * Context: any.
 */
void kproxy_preconnect_sum(const struct kproxy_server *server,
			   struct kproxy_preconnect_stats *sum)
{
	const struct kproxy_preconnect *p = &server->preconnect;
	const struct kproxy_preconnect_cpu *pc;
	int cpu;

	*sum = (struct kproxy_preconnect_stats){
		.ready = atomic_read(&p->ready),
	};
	for_each_possible_cpu(cpu) {
		pc = per_cpu_ptr(p->cpus, cpu);
		sum->used += READ_ONCE(pc->used);
		sum->missed += READ_ONCE(pc->missed);
	}
}
