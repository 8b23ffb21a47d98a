// SPDX-License-Identifier: GPL-2.0
/*
 * Starts sessions on the CPU that receives the client's packets. The accept queue
 * of a listening socket is in the order of arrival, so a CPU may take a client
 * from it whose packets another CPU receives. It hands that client over, because
 * all of a session would move between the two from then on: both sockets, their
 * buffers, and whatever is made for the server.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "fault.h"
#include "memcg.h"
#include "session.h"
#include "shared.h"
#include "start.h"

/* Clients that may wait on a CPU; beyond that, who accepts also starts. */
#define WAITING_MAX 64

/* A client that was handed over, and is counted with the listener. */
struct handed {
	struct llist_node node;
	struct kproxy_listener *l;
	const struct kproxy_sock *from;
	struct socket *client;
};

/* One CPU's: what others have handed to it. */
struct start_cpu {
	struct llist_head handed;
	atomic_t nr;
	struct work_struct work;
};

static DEFINE_PER_CPU_SHARED_ALIGNED(struct start_cpu, start_cpus);

static void start_handed(struct handed *handed)
{
	struct mem_cgroup *memcg = kproxy_memcg_enter(handed->from->sk);

	kproxy_fault_point(KPROXY_POINT_START_HANDED);
	kproxy_session_start(handed->l, handed->from, handed->client);
	kproxy_memcg_leave(memcg);
}

static void start_work(struct work_struct *work)
{
	struct start_cpu *cpu = container_of(work, struct start_cpu, work);
	struct llist_node *list = llist_del_all(&cpu->handed);
	struct handed *handed, *next;

	llist_for_each_entry_safe(handed, next, llist_reverse_order(list),
				  node) {
		start_handed(handed);
		kfree(handed);
		atomic_dec(&cpu->nr);
		cond_resched();
	}
}

/**
 * kproxy_start_init() - set up the hand-over between CPUs
 */
void __init kproxy_start_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(&per_cpu_ptr(&start_cpus, cpu)->work, start_work);
}

/* The CPU that the session is to be on, or this one. */
static int start_where(const struct sock *client)
{
	int here = raw_smp_processor_id();
	int cpu = READ_ONCE(client->sk_incoming_cpu);

	return cpu >= 0 && cpu < nr_cpu_ids && cpu_online(cpu) ? cpu : here;
}

/* Return false if the client stays with the caller. */
static bool start_hand(int there, struct kproxy_listener *l,
		       const struct kproxy_sock *from, struct socket *client)
{
	struct start_cpu *cpu = per_cpu_ptr(&start_cpus, there);
	struct handed *handed;

	if (atomic_read(&cpu->nr) >= WAITING_MAX)
		return false;
	handed = kmalloc(sizeof(*handed), GFP_KERNEL | __GFP_NOWARN);
	if (!handed)
		return false;
	handed->l = l;
	handed->from = from;
	handed->client = client;
	atomic_inc(&cpu->nr);
	llist_add(&handed->node, &cpu->handed);
	queue_work_on(there, kproxy_wq, &cpu->work);
	return true;
}

/**
 * kproxy_start() - begin a session for a client, on the CPU that receives from it
 * @l: the listener that accepted it
 * @from: the socket of the listener that it came from
 * @client: its socket, the session's from here on; counted with the listener
 *
 * @l and @from are used until kproxy_start_flush().
 *
 * Context: process, may sleep; for @from's memory cgroup.
 */
void kproxy_start(struct kproxy_listener *l, const struct kproxy_sock *from,
		  struct socket *client)
{
	int there = start_where(client->sk);

	if (likely(there == raw_smp_processor_id()) ||
	    !start_hand(there, l, from, client))
		kproxy_session_start(l, from, client);
}

/**
 * kproxy_start_flush() - wait until sessions that were handed over have begun
 *
 * Context: process, sleeps; may hold the configuration lock.
 */
void kproxy_start_flush(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		flush_work(&per_cpu_ptr(&start_cpus, cpu)->work);
}
