// SPDX-License-Identifier: GPL-2.0
/*
 * How many idle connections (idle.c) a server has. A work makes those that are
 * missing, off the path of any session; only this work, or a caller that has
 * disabled it, closes them. After a connection that failed or did not live for
 * long the work waits, longer each time, so that a server that does not like idle
 * connections is not stormed.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "fault.h"
#include "idle.h"
#include "owner.h"
#include "preconnect.h"
#include "root.h"
#include "server.h"
#include "upstream.h"

/* Works of a namespace that may run at a time, each for some microseconds. */
#define PRECONNECT_WORKS 8

/* Connects that are begun in one go; then the next tick is waited for. */
#define CONNECT_BATCH 16

/* How long to wait after a failure, at first and at most. */
#define BACKOFF_MIN (HZ / 10 ?: 1)
#define BACKOFF_MAX (10 * HZ)

static struct workqueue_struct *preconnect_wq(const struct kproxy_server *server)
{
	return READ_ONCE(server->upstream->obj.kn->preconnect_wq);
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
		kproxy_idle_reap(per_cpu_ptr(server->preconnect.cpus, cpu),
				 cpu_want(server, cpu, &left), &out, &failed);
	kproxy_fault_point(KPROXY_POINT_IDLE_REAP);
	kproxy_idle_close(&out);
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
			err = kproxy_idle_connect(server, pc);
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
	if (time_after(jiffies, p->not_before + KPROXY_IDLE_LIFE_MIN))
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
		/* The next run gives up connects that are unanswered by then. */
		preconnect_again(server, KPROXY_IDLE_CONNECT_TIMEOUT);
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
	int cpu;

	p->cpus = alloc_percpu_gfp(struct kproxy_preconnect_cpu,
				   GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!p->cpus)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		kproxy_idle_init(per_cpu_ptr(p->cpus, cpu));
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
	/* The options come first: pairs with that of idle_new(). */
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
 * kproxy_preconnect_stop() - close all idle connections for good
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
		kproxy_idle_reap(per_cpu_ptr(server->preconnect.cpus, cpu), 0,
				 &out, &failed);
	kproxy_idle_close(&out);
}

/* This CPU's first, then any other's. */
static struct kproxy_idle *server_take(struct kproxy_preconnect *p)
{
	unsigned int generation = READ_ONCE(p->generation);
	int cpu = raw_smp_processor_id(), n;
	struct kproxy_idle *idle;

	for (n = 0; n < nr_cpu_ids && atomic_read(&p->ready); n++) {
		if (cpu_possible(cpu)) {
			idle = kproxy_idle_take(per_cpu_ptr(p->cpus, cpu),
						generation);
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
			       const struct kproxy_idle *idle)
{
	unsigned int want = READ_ONCE(server->upstream->options.preconnect);

	if (!idle || 2 * kproxy_idle_left(idle) <= want)
		kproxy_preconnect_apply(server);
	else if (!preconnect_again(server, 1) &&
		 READ_ONCE(server->preconnect.waits))
		/* The work waits for an answer: run it in a tick. */
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
 * A client whose listener has another owner than the upstream gets none: the
 * connection was made under the rules of the upstream's owner, who paid for it.
 *
 * A moment ago the connection was established and without an error. Afterwards
 * the caller checks for what has arrived before or since.
 *
 * Context: process, may sleep.
 * Return: whether there was one; if not, @ks is untouched.
 */
bool kproxy_preconnect_take(struct kproxy_server *server,
			    const struct sock *owner, struct kproxy_sock *ks,
			    const struct kproxy_sock_ops *ops)
{
	struct kproxy_preconnect *p = &server->preconnect;
	struct kproxy_idle *idle = NULL;

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
	kproxy_idle_pass(idle, ks, ops);
	return true;
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
