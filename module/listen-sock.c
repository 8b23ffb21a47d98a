// SPDX-License-Identifier: GPL-2.0
/*
 * The listening sockets of a listener, one for each address. Its data_ready
 * queues work on the CPU that received the client's last ACK. Each CPU has a work
 * of its own, so several accept at once. The work accepts the clients in the
 * backlog; each begins its session on the CPU that receives from it (start.c).
 * There is no thread.
 *
 * A socket is created and bound when its change is made, listens when the
 * change is prepared, and accepts when the change is published. If another
 * listening socket has the address and gives it up in the same change, its
 * socket is taken over.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "fault.h"
#include "listener.h"
#include "listen-sock.h"
#include "memcg.h"
#include "owner.h"
#include "quota.h"
#include "refuse.h"
#include "root.h"
#include "shared.h"
#include "start.h"

/* Clients accepted in one go, before others get the worker. */
#define ACCEPT_BATCH 64

/* How long to leave clients waiting when memory or files were short. */
#define ACCEPT_PAUSE (HZ / 20 ?: 1)

static void lsock_kick(struct kproxy_listen_sock *lsock, unsigned long delay)
{
	queue_delayed_work(kproxy_wq, &lsock->accept, delay);
}

/* Softirq; the listening socket is not locked. */
static void lsock_data_ready(struct kproxy_sock *ks)
{
	struct kproxy_listen_sock *lsock =
		container_of(ks, struct kproxy_listen_sock, ks);

	kproxy_fault_point(KPROXY_POINT_LSOCK_READY);
	/*
	 * While clients wait for their rate or for memory, leave it to the work
	 * that is set for then. It is no longer pending when it looks at the
	 * queue, with a barrier in between, where the client is by now.
	 */
	smp_mb();
	if (likely(!delayed_work_pending(&lsock->accept)))
		queue_work(kproxy_wq, &this_cpu_ptr(lsock->cpus)->accept);
}

static void lsock_ignore(struct kproxy_sock *ks)
{
}

static const struct kproxy_sock_ops lsock_ops = {
	.data_ready = lsock_data_ready,
	.write_space = lsock_ignore,
	/* The only change of a listening socket is its end; the work looks. */
	.changed = lsock_data_ready,
};

static bool listener_full(const struct kproxy_listener *l)
{
	unsigned int max = READ_ONCE(l->options.maxconn);

	return max && atomic_read(&l->obj.sessions) >= max;
}

/*
 * Count one more session, if there is room for it. This comes before the
 * accept, since other addresses accept at the same time.
 */
static bool listener_enter(struct kproxy_listener *l)
{
	unsigned int max = READ_ONCE(l->options.maxconn);
	int sessions;

	if (!max) {
		atomic_inc(&l->obj.sessions);
		return true;
	}
	sessions = atomic_read(&l->obj.sessions);
	do {
		if ((unsigned int)sessions >= max)
			return false;
	} while (!atomic_try_cmpxchg(&l->obj.sessions, &sessions, sessions + 1));
	return true;
}

static bool lsock_empty(const struct kproxy_listen_sock *lsock)
{
	struct sock *sk = lsock->ks.sk;

	return reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue);
}

/* 0, and it is counted, or in how many jiffies one more may be accepted. */
static unsigned long listener_take(struct kproxy_listener *l)
{
	unsigned int limit = READ_ONCE(l->options.rate);
	unsigned long wait;

	if (!limit)
		return 0;
	spin_lock(&l->lock);
	wait = kproxy_rate_take(&l->rate, limit, jiffies);
	spin_unlock(&l->lock);
	return wait;
}

static void listener_give_back(struct kproxy_listener *l)
{
	if (!READ_ONCE(l->options.rate))
		return;
	spin_lock(&l->lock);
	kproxy_rate_give_back(&l->rate);
	spin_unlock(&l->lock);
}

/* Return true if the client's address, that of its socket, is admitted. */
static bool listener_allows(struct kproxy_listener *l, const struct sock *sk)
{
	const struct kproxy_prefixes *prefixes;
	union kproxy_addr peer;
	bool allow = true;

	rcu_read_lock();
	prefixes = rcu_dereference(l->options.prefixes);
	if (prefixes) {
		kproxy_addr_peer(&peer, sk);
		allow = kproxy_prefixes_allow(prefixes, &peer);
	}
	rcu_read_unlock();
	return allow;
}

/* Refuse a client that was accepted, and is counted as a session. */
static void lsock_refuse(struct kproxy_listen_sock *lsock,
			 struct socket *client, enum kproxy_reason reason)
{
	struct kproxy_listener *l = lsock->listener;

	listener_give_back(l);
	kproxy_refuse_client(l, client->sk, reason);
	kproxy_sock_reset(client);
	kproxy_listener_session_ended(l);
}

/**
 * kproxy_lsock_dead() - check whether a listening socket was destroyed
 * @lsock: the listening socket, prepared
 *
 * SOCK_DESTROY ("ss -K") also destroys listening sockets. Such a socket never
 * listens again.
 *
 * Context: any.
 * Return: true if it accepts no longer.
 */
bool kproxy_lsock_dead(const struct kproxy_listen_sock *lsock)
{
	return inet_sk_state_load(lsock->ks.sk) == TCP_CLOSE;
}

/*
 * Accept a client, which is counted as a session already, and begin its
 * session: 0, or what accepting it says. When there is no memory for it, it is
 * accepted at the host's expense and refused.
 */
static int lsock_accept_one(struct kproxy_listen_sock *lsock)
{
	bool room = kproxy_memcg_room(lsock->ks.sk);
	struct kproxy_listener *l = lsock->listener;
	struct mem_cgroup *memcg = NULL;
	struct socket *client = NULL;
	int err;

	if (likely(room))
		memcg = kproxy_memcg_enter(lsock->ks.sk);
	kproxy_fault_point(KPROXY_POINT_ACCEPT);
	err = kproxy_sock_accept(&lsock->ks, &client);
	kproxy_fault_point(KPROXY_POINT_ACCEPTED);
	if (unlikely(!client))
		listener_give_back(l);
	else if (unlikely(err) || !listener_allows(l, client->sk))
		lsock_refuse(lsock, client, KPROXY_REASON_REFUSED_NETWORK);
	else if (unlikely(!room))
		lsock_refuse(lsock, client, KPROXY_REASON_REFUSED_MEMORY);
	else
		kproxy_start(lsock, client);
	if (likely(room))
		kproxy_memcg_leave(memcg);
	return client ? 0 : err;
}

/*
 * Have the listening socket's death announced. Another work does it, because
 * this one is waited for under the configuration lock, which the event needs.
 */
static void lsock_report_death(const struct kproxy_listen_sock *lsock)
{
	if (!READ_ONCE(lsock->death_reported))
		queue_work(kproxy_wq, &lsock->listener->obj.kn->deaths);
}

/* Return true if more may wait, and others are to get the worker first. */
static bool lsock_accept(struct kproxy_listen_sock *lsock)
{
	struct kproxy_listener *l = lsock->listener;
	unsigned long wait;
	int n, err;

	if (unlikely(kproxy_lsock_dead(lsock))) {
		lsock_report_death(lsock);
		return false;
	}
	for (n = 0; n < ACCEPT_BATCH; n++) {
		/* The end of a session brings us back. */
		if (lsock_empty(lsock) || listener_full(l))
			return false;
		wait = listener_take(l);
		if (wait) {
			lsock_kick(lsock, wait);
			return false;
		}
		if (!listener_enter(l)) {
			listener_give_back(l);
			return false;
		}
		err = lsock_accept_one(lsock);
		if (err) {
			if (err != -EAGAIN)
				lsock_kick(lsock, ACCEPT_PAUSE);
			kproxy_listener_session_ended(l);
			return false;
		}
	}
	return true;
}

static void lsock_accept_work(struct work_struct *work)
{
	struct kproxy_listen_sock_cpu *cpu =
		container_of(work, struct kproxy_listen_sock_cpu, accept);

	if (lsock_accept(cpu->lsock))
		queue_work(kproxy_wq, &cpu->accept);
}

static void lsock_accept_later_work(struct work_struct *work)
{
	struct kproxy_listen_sock *lsock =
		container_of(to_delayed_work(work),
			     struct kproxy_listen_sock, accept);

	if (lsock_accept(lsock))
		lsock_kick(lsock, 0);
}

/*
 * Wait until nothing accepts, nothing can be queued that would, and clients that
 * were accepted have their sessions.
 */
static void lsock_disable(struct kproxy_listen_sock *lsock)
{
	int cpu;

	disable_delayed_work_sync(&lsock->accept);
	for_each_possible_cpu(cpu)
		disable_work_sync(&per_cpu_ptr(lsock->cpus, cpu)->accept);
	kproxy_fault_point(KPROXY_POINT_LSOCK_FLUSH);
	kproxy_start_flush(lsock);
}

static void lsock_enable(struct kproxy_listen_sock *lsock)
{
	int cpu;

	enable_delayed_work(&lsock->accept);
	for_each_possible_cpu(cpu)
		enable_work(&per_cpu_ptr(lsock->cpus, cpu)->accept);
}

/*
 * All sockets of a listener belong to the task that made it, including those of
 * addresses that another task adds.
 */
static int lsock_socket(const struct kproxy_listen_sock *lsock, int family,
			struct socket **socket)
{
	const struct kproxy_listener *l = lsock->listener;
	int err;

	if (l->nr_lsocks && l->lsocks[0].ks.socket)
		return kproxy_sock_create_for(l->obj.kn->net, family,
					      l->lsocks[0].ks.sk, socket);
	err = kproxy_sock_create(l->obj.kn->net, family, socket);
	if (err)
		return err;
	err = kproxy_owner_label((*socket)->sk);
	if (err)
		sock_release(*socket);
	return err;
}

/* Create and bind the socket. "Any" means both families, if possible. */
static int lsock_bind(struct kproxy_listen_sock *lsock, bool transparent)
{
	union kproxy_addr addr = lsock->addr;
	bool any = addr.sa.sa_family == AF_UNSPEC;
	struct socket *socket;
	int err;

	if (any)
		addr.sa.sa_family = AF_INET6;
	err = lsock_socket(lsock, addr.sa.sa_family, &socket);
	if (err == -EAFNOSUPPORT && any) {
		addr.sa.sa_family = AF_INET;
		err = lsock_socket(lsock, AF_INET, &socket);
	}
	if (err)
		return err;
	sock_set_reuseaddr(socket->sk);
	inet_assign_bit(TRANSPARENT, socket->sk, transparent);
	if (addr.sa.sa_family == AF_INET6) {
		lock_sock(socket->sk);
		socket->sk->sk_ipv6only = !any;
		release_sock(socket->sk);
	}
	err = kernel_bind(socket, (struct sockaddr_unsized *)&addr,
			  kproxy_addr_size(&addr));
	if (err) {
		sock_release(socket);
		return err;
	}
	kproxy_sock_attach_listener(&lsock->ks, socket, &lsock_ops);
	return 0;
}

/* After this nothing accepts, and the work can't be queued again. */
static void lsock_close(struct kproxy_listen_sock *lsock)
{
	if (!lsock->ks.socket)
		return;
	kproxy_sock_detach(&lsock->ks);
	kproxy_fault_point(KPROXY_POINT_LSOCK_CLOSE);
	lsock_disable(lsock);
	kproxy_fault_point(KPROXY_POINT_LSOCK_CLOSED);
	kproxy_sock_abort(&lsock->ks);
}

/**
 * kproxy_lsock_take_over() - take over the donor's socket
 * @lsock: the listening socket, which has claimed it; the configuration lock is
 *	held
 *
 * With it come the clients that wait there. One that comes meanwhile is found
 * when this one's work begins.
 *
 * Context: process, sleeps until the donor's work is done.
 */
void kproxy_lsock_take_over(struct kproxy_listen_sock *lsock)
{
	struct kproxy_listen_sock *donor = lsock->donor;

	/* The donor's works use its socket. */
	lsock_disable(donor);
	kproxy_fault_point(KPROXY_POINT_LSOCK_TAKE);
	kproxy_sock_pass(&donor->ks, &lsock->ks, &lsock_ops);
	kproxy_fault_point(KPROXY_POINT_LSOCK_ATTACH);
	lsock->donor = NULL;
	lsock->claims = false;
}

static int lsock_init(struct kproxy_listen_sock *lsock)
{
	struct kproxy_listen_sock_cpu *one;
	int cpu;

	lsock->cpus = alloc_percpu_gfp(struct kproxy_listen_sock_cpu,
				       GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!lsock->cpus)
		return -ENOMEM;
	INIT_DELAYED_WORK(&lsock->accept, lsock_accept_later_work);
	disable_delayed_work(&lsock->accept);
	for_each_possible_cpu(cpu) {
		one = per_cpu_ptr(lsock->cpus, cpu);
		one->lsock = lsock;
		kproxy_start_init(one);
		INIT_WORK(&one->accept, lsock_accept_work);
		disable_work(&one->accept);
	}
	return 0;
}

static void lsocks_free(struct kproxy_listen_sock *lsocks)
{
	unsigned int i;

	for (i = 0; i < lsocks->nr; i++)
		free_percpu(lsocks[i].cpus);
	kfree(lsocks);
}

static void lsocks_free_rcu(struct rcu_head *rcu)
{
	lsocks_free(container_of(rcu, struct kproxy_listen_sock, rcu));
}

/**
 * kproxy_lsocks_new() - allocate the listening sockets of a listener
 * @l: the listener, which outlives them
 * @addrs: the address of each
 * @n: how many
 *
 * Context: process, may sleep.
 * Return: the listening sockets, or NULL when there is no memory.
 */
struct kproxy_listen_sock *
kproxy_lsocks_new(struct kproxy_listener *l, const union kproxy_addr *addrs,
		  unsigned int n)
{
	struct kproxy_listen_sock *lsocks;
	unsigned int i;

	lsocks = kcalloc(n, sizeof(*lsocks), GFP_KERNEL_ACCOUNT);
	if (!lsocks)
		return NULL;
	lsocks->nr = n;
	for (i = 0; i < n; i++) {
		lsocks[i].listener = l;
		lsocks[i].addr = addrs[i];
		if (lsock_init(&lsocks[i])) {
			lsocks_free(lsocks);
			return NULL;
		}
	}
	return lsocks;
}

/**
 * kproxy_lsocks_accept() - accept who waits, at once
 * @lsocks: the listening sockets, in state TCP_LISTEN
 * @n: how many
 * @fresh: they have not accepted before
 *
 * Also when they were to look again later only, for their listener's rate.
 *
 * Context: process.
 */
void kproxy_lsocks_accept(struct kproxy_listen_sock *lsocks, unsigned int n,
			  bool fresh)
{
	while (n--) {
		if (fresh)
			lsock_enable(&lsocks[n]);
		mod_delayed_work(kproxy_wq, &lsocks[n].accept, 0);
	}
}

/**
 * kproxy_lsocks_close() - close and free listening sockets
 * @lsocks: the listening sockets, freed here; NULL if @n is 0
 * @n: how many
 *
 * Clients that wait there are reset. What a listening socket has claimed may be
 * claimed by another again.
 *
 * Context: process, sleeps until their work is done and for a grace period; the
 * configuration lock is held.
 */
void kproxy_lsocks_close(struct kproxy_listen_sock *lsocks, unsigned int n)
{
	unsigned int i;

	if (!n)
		return;
	for (i = 0; i < n; i++) {
		lsock_close(&lsocks[i]);
		kproxy_quota_uncharge(lsocks[i].listener->obj.quota,
				      KPROXY_QUOTA_OBJECTS, 1);
		if (lsocks[i].claims)
			lsocks[i].donor->donates = false;
	}
	call_rcu(&lsocks->rcu, lsocks_free_rcu);
}

static struct kproxy_listen_sock *
find_lsock(struct kproxy_listener *l, const union kproxy_addr *addr)
{
	unsigned int i;

	for (i = 0; i < l->nr_lsocks; i++)
		if (kproxy_addr_equal(&l->lsocks[i].addr, addr) &&
		    !kproxy_lsock_dead(&l->lsocks[i]))
			return &l->lsocks[i];
	return NULL;
}

/* Find the listening socket that has the address and may give it away. */
static struct kproxy_listen_sock *find_donor(struct kproxy_listener *l,
					     const union kproxy_addr *addr,
					     const struct kproxy_view *view)
{
	struct kproxy_listen_sock *lsock = find_lsock(l, addr);
	struct kproxy_listener *other;

	/* A single request changes no other listener. */
	if (lsock || view->single)
		return lsock;
	/* A listener that is not current has no listening sockets yet. */
	list_for_each_entry(other, &l->obj.kn->listeners, obj.node) {
		lsock = find_lsock(other, addr);
		if (lsock)
			break;
	}
	return lsock;
}

/**
 * kproxy_lsocks_bind() - create and bind sockets, or find those to take over
 * @lsocks: new listening sockets, the configuration lock held
 * @n: how many
 * @transparent: bind to addresses that are not local, too
 * @view: the view that they belong to; gets the number of one that is refused
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; what opening a socket and bind() say. After a failure
 * some have a socket, which kproxy_lsocks_close() closes.
 */
int kproxy_lsocks_bind(struct kproxy_listen_sock *lsocks, unsigned int n,
		       bool transparent, struct kproxy_view *view)
{
	unsigned int i;
	int err;

	for (i = 0; i < n; i++) {
		lsocks[i].donor = find_donor(lsocks[i].listener,
					     &lsocks[i].addr, view);
		if (lsocks[i].donor)
			continue;
		err = lsock_bind(&lsocks[i], transparent);
		if (err) {
			view->bad = i;
			return err;
		}
	}
	return 0;
}
