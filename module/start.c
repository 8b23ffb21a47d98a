// SPDX-License-Identifier: GPL-2.0
/*
 * Starts sessions on the CPU that receives the client's packets. The accept queue
 * of a listening socket is in the order of arrival, so a CPU may take a client
 * from it whose packets another CPU receives. It hands that client over, because
 * all of a session would move between the two from then on: both sockets, their
 * buffers, and whatever is made for the server.
 *
 * Each listening socket has a list for each CPU. With one list for all, a session
 * that waits for memory of its owner would delay those of other owners.
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
#include "listener.h"
#include "memcg.h"
#include "session.h"
#include "shared.h"
#include "start.h"

/* Clients that may wait on a CPU; beyond that, who accepts also starts. */
#define WAITING_MAX 64

/* A client that was handed over, and is counted with the listener. */
struct handed {
	struct llist_node node;
	struct socket *client;
};

static void start_handed(struct kproxy_listen_sock *lsock,
			 struct socket *client)
{
	struct mem_cgroup *memcg = kproxy_memcg_enter(lsock->ks.sk);

	kproxy_fault_point(KPROXY_POINT_START_HANDED);
	kproxy_session_start(lsock->listener, &lsock->ks, client);
	kproxy_memcg_leave(memcg);
}

static void start_work(struct work_struct *work)
{
	struct kproxy_listen_sock_cpu *cpu =
		container_of(work, struct kproxy_listen_sock_cpu, start);
	struct llist_node *list = llist_del_all(&cpu->handed);
	struct handed *handed, *next;

	llist_for_each_entry_safe(handed, next, llist_reverse_order(list),
				  node) {
		start_handed(cpu->lsock, handed->client);
		kfree(handed);
		atomic_dec(&cpu->nr_handed);
		cond_resched();
	}
}

/**
 * kproxy_start_init() - set up what is handed to a CPU
 * @cpu: the CPU's part of a listening socket, zeroed
 */
void kproxy_start_init(struct kproxy_listen_sock_cpu *cpu)
{
	init_llist_head(&cpu->handed);
	INIT_WORK(&cpu->start, start_work);
}

/* The CPU that the session is to be on, or this one. */
static int start_where(const struct sock *client)
{
	int here = raw_smp_processor_id();
	int cpu = READ_ONCE(client->sk_incoming_cpu);

	return cpu >= 0 && cpu < nr_cpu_ids && cpu_online(cpu) ? cpu : here;
}

/* Return false if the client stays with the caller. */
static bool start_hand(struct kproxy_listen_sock *lsock, int there,
		       struct socket *client)
{
	struct kproxy_listen_sock_cpu *cpu = per_cpu_ptr(lsock->cpus, there);
	struct handed *handed;

	if (atomic_read(&cpu->nr_handed) >= WAITING_MAX)
		return false;
	handed = kmalloc(sizeof(*handed), GFP_KERNEL | __GFP_NOWARN);
	if (!handed)
		return false;
	handed->client = client;
	atomic_inc(&cpu->nr_handed);
	llist_add(&handed->node, &cpu->handed);
	queue_work_on(there, kproxy_wq, &cpu->start);
	return true;
}

/**
 * kproxy_start() - begin a session for a client, on the CPU that receives from it
 * @lsock: the listening socket that accepted it, used until kproxy_start_flush()
 * @client: its socket, the session's from here on; counted with the listener
 *
 * Context: process, may sleep; for the memory cgroup of @lsock.
 */
void kproxy_start(struct kproxy_listen_sock *lsock, struct socket *client)
{
	int there = start_where(client->sk);

	if (likely(there == raw_smp_processor_id()) ||
	    !start_hand(lsock, there, client))
		kproxy_session_start(lsock->listener, &lsock->ks, client);
}

/**
 * kproxy_start_flush() - wait until sessions that were handed over have begun
 * @lsock: the listening socket that accepted them, which accepts no longer
 *
 * Context: process, sleeps; may hold the configuration lock.
 */
void kproxy_start_flush(struct kproxy_listen_sock *lsock)
{
	int cpu;

	for_each_possible_cpu(cpu)
		flush_work(&per_cpu_ptr(lsock->cpus, cpu)->start);
}
