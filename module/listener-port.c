// SPDX-License-Identifier: GPL-2.0
/*
 * The addresses of a listener: each has a listening socket, whose data_ready
 * queues work on the CPU that received the client's last ACK. Each CPU has its
 * own, so that several accept at once; it accepts whatever waits, and hands each
 * client to a session on the CPU that receives from it (start.c). No thread
 * belongs to it.
 *
 * A port gets its socket, bound, when the change that it belongs to is made,
 * listens when that is prepared, and accepts when it is published. An address
 * that another port has, and will not have then, comes with that one's socket.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "fault.h"
#include "listener.h"
#include "listener-port.h"
#include "memcg.h"
#include "owner.h"
#include "quota.h"
#include "root.h"
#include "shared.h"
#include "start.h"

/* Clients accepted in one go, before others get the worker. */
#define ACCEPT_BATCH 64

/* How long to leave clients waiting when memory or files were short. */
#define ACCEPT_PAUSE (HZ / 20 ?: 1)

static void port_kick(struct kproxy_listener_port *port, unsigned long delay)
{
	queue_delayed_work(kproxy_wq, &port->accept, delay);
}

/* Softirq; the listening socket is not locked. */
static void port_data_ready(struct kproxy_sock *ks)
{
	struct kproxy_listener_port *port =
		container_of(ks, struct kproxy_listener_port, ks);

	kproxy_fault_point(KPROXY_POINT_PORT_READY);
	/*
	 * While clients wait for their rate or for memory, leave it to the work
	 * that is set for then. It is no longer pending when it looks at the
	 * queue, with a barrier in between, where the client is by now.
	 */
	smp_mb();
	if (likely(!delayed_work_pending(&port->accept)))
		queue_work(kproxy_wq, &this_cpu_ptr(port->cpus)->accept);
}

static void port_ignore(struct kproxy_sock *ks)
{
}

static const struct kproxy_sock_ops port_ops = {
	.data_ready = port_data_ready,
	.write_space = port_ignore,
	/* The only change of a listening socket is its end; the work looks. */
	.changed = port_data_ready,
};

static bool listener_full(const struct kproxy_listener *l)
{
	unsigned int max = READ_ONCE(l->options.maxconn);

	return max && atomic_read(&l->obj.sessions) >= max;
}

/*
 * Count one more session, if there is room for it. This comes before the accept,
 * since other addresses accept at the same time.
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

static bool port_empty(const struct kproxy_listener_port *port)
{
	struct sock *sk = port->ks.sk;

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

/* Whether a client's address is let in, that of its socket. */
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

/**
 * kproxy_port_dead() - whether a port's socket was destroyed
 * @port: a port whose socket is listening since it was prepared
 *
 * SOCK_DESTROY ("ss -K") also destroys listening sockets. Such a socket never
 * listens again.
 *
 * Context: any.
 * Return: true if it accepts no longer.
 */
bool kproxy_port_dead(const struct kproxy_listener_port *port)
{
	return inet_sk_state_load(port->ks.sk) == TCP_CLOSE;
}

/*
 * Accept a client, which is counted as a session already, and begin its session:
 * 0, or what accepting it says. When there is no memory for it, it is accepted at
 * the host's expense and turned away.
 */
static int port_accept_one(struct kproxy_listener_port *port)
{
	bool room = kproxy_memcg_room(port->ks.sk);
	struct kproxy_listener *l = port->listener;
	struct mem_cgroup *memcg = NULL;
	struct socket *client;
	int err;

	if (likely(room))
		memcg = kproxy_memcg_enter(port->ks.sk);
	kproxy_fault_point(KPROXY_POINT_ACCEPT);
	err = kproxy_sock_accept(&port->ks, &client);
	kproxy_fault_point(KPROXY_POINT_ACCEPTED);
	if (err) {
		listener_give_back(l);
	} else if (likely(room) && listener_allows(l, client->sk)) {
		kproxy_start(l, &port->ks, client);
	} else {
		listener_give_back(l);
		kproxy_listener_refused(l);
		kproxy_sock_reset(client);
		kproxy_listener_session_ended(l);
	}
	if (likely(room))
		kproxy_memcg_leave(memcg);
	return err;
}

/*
 * Have the port's death announced. Another work does it, because this one is
 * waited for under the configuration lock, which the event needs.
 */
static void port_tell_death(const struct kproxy_listener_port *port)
{
	if (!READ_ONCE(port->death_told))
		queue_work(kproxy_wq, &port->listener->obj.kn->deaths);
}

/* Return true if more may wait, and others are to get the worker first. */
static bool port_accept(struct kproxy_listener_port *port)
{
	struct kproxy_listener *l = port->listener;
	unsigned long wait;
	int n, err;

	if (unlikely(kproxy_port_dead(port))) {
		port_tell_death(port);
		return false;
	}
	for (n = 0; n < ACCEPT_BATCH; n++) {
		/* The end of a session brings us back. */
		if (port_empty(port) || listener_full(l))
			return false;
		wait = listener_take(l);
		if (wait) {
			port_kick(port, wait);
			return false;
		}
		if (!listener_enter(l)) {
			listener_give_back(l);
			return false;
		}
		err = port_accept_one(port);
		if (err == -EBUSY) {
			kproxy_listener_refused(l);
			kproxy_listener_session_ended(l);
			continue;
		}
		if (err) {
			if (err != -EAGAIN)
				port_kick(port, ACCEPT_PAUSE);
			kproxy_listener_session_ended(l);
			return false;
		}
	}
	return true;
}

static void port_accept_work(struct work_struct *work)
{
	struct kproxy_listener_port_cpu *cpu =
		container_of(work, struct kproxy_listener_port_cpu, accept);

	if (port_accept(cpu->port))
		queue_work(kproxy_wq, &cpu->accept);
}

static void port_accept_later_work(struct work_struct *work)
{
	struct kproxy_listener_port *port =
		container_of(to_delayed_work(work),
			     struct kproxy_listener_port, accept);

	if (port_accept(port))
		port_kick(port, 0);
}

/* Wait until nothing accepts, and nothing can be queued that would. */
static void port_disable(struct kproxy_listener_port *port)
{
	int cpu;

	disable_delayed_work_sync(&port->accept);
	for_each_possible_cpu(cpu)
		disable_work_sync(&per_cpu_ptr(port->cpus, cpu)->accept);
}

static void port_enable(struct kproxy_listener_port *port)
{
	int cpu;

	enable_delayed_work(&port->accept);
	for_each_possible_cpu(cpu)
		enable_work(&per_cpu_ptr(port->cpus, cpu)->accept);
}

/*
 * All sockets of a listener belong to the task that made it, including those of
 * addresses that another task adds.
 */
static int port_socket(const struct kproxy_listener_port *port, int family,
		       struct socket **socket)
{
	const struct kproxy_listener *l = port->listener;
	int err;

	if (l->nr_ports && l->ports[0].ks.socket)
		return kproxy_sock_create_for(l->obj.kn->net, family,
					      l->ports[0].ks.sk, socket);
	err = kproxy_sock_create(l->obj.kn->net, family, socket);
	if (err)
		return err;
	err = kproxy_owner_label((*socket)->sk);
	if (err)
		sock_release(*socket);
	return err;
}

/* Bind a socket to the port's address; for any, to both families' if it can. */
static int port_bind(struct kproxy_listener_port *port, bool transparent)
{
	union kproxy_addr addr = port->addr;
	bool any = addr.sa.sa_family == AF_UNSPEC;
	struct socket *socket;
	int err;

	if (any)
		addr.sa.sa_family = AF_INET6;
	err = port_socket(port, addr.sa.sa_family, &socket);
	if (err == -EAFNOSUPPORT && any) {
		addr.sa.sa_family = AF_INET;
		err = port_socket(port, AF_INET, &socket);
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
	kproxy_sock_attach_listener(&port->ks, socket, &port_ops);
	return 0;
}

/* After this nothing accepts, and the work can't be queued again. */
static void port_stop(struct kproxy_listener_port *port)
{
	if (!port->ks.socket)
		return;
	kproxy_sock_detach(&port->ks);
	kproxy_fault_point(KPROXY_POINT_PORT_CLOSE);
	port_disable(port);
	kproxy_fault_point(KPROXY_POINT_PORT_CLOSED);
}

/**
 * kproxy_port_take() - take over the donor's socket
 * @port: the port, which has claimed it; the configuration lock is held
 *
 * With it come the clients that wait there. One that comes meanwhile is found when
 * this one's work begins.
 *
 * Context: process, sleeps until the donor's work is done.
 */
void kproxy_port_take(struct kproxy_listener_port *port)
{
	struct kproxy_listener_port *donor = port->donor;

	/* The donor's works use its socket, and so do those that start sessions. */
	port_disable(donor);
	kproxy_fault_point(KPROXY_POINT_PORT_FLUSH);
	kproxy_start_flush();
	kproxy_fault_point(KPROXY_POINT_PORT_TAKE);
	kproxy_sock_pass(&donor->ks, &port->ks, &port_ops);
	kproxy_fault_point(KPROXY_POINT_PORT_ATTACH);
	port->donor = NULL;
	port->claims = false;
}

static int port_init(struct kproxy_listener_port *port)
{
	struct kproxy_listener_port_cpu *one;
	int cpu;

	port->cpus = alloc_percpu_gfp(struct kproxy_listener_port_cpu,
				      GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!port->cpus)
		return -ENOMEM;
	INIT_DELAYED_WORK(&port->accept, port_accept_later_work);
	disable_delayed_work(&port->accept);
	for_each_possible_cpu(cpu) {
		one = per_cpu_ptr(port->cpus, cpu);
		one->port = port;
		INIT_WORK(&one->accept, port_accept_work);
		disable_work(&one->accept);
	}
	return 0;
}

static void ports_free(struct kproxy_listener_port *ports)
{
	unsigned int i;

	for (i = 0; i < ports->nr; i++)
		free_percpu(ports[i].cpus);
	kfree(ports);
}

static void ports_free_rcu(struct rcu_head *rcu)
{
	ports_free(container_of(rcu, struct kproxy_listener_port, rcu));
}

/**
 * kproxy_ports_new() - ports of a listener, without sockets yet
 * @l: the listener, which outlives them
 * @addrs: the address of each
 * @n: how many
 *
 * Context: process, may sleep.
 * Return: the ports, or NULL when there is no memory.
 */
struct kproxy_listener_port *
kproxy_ports_new(struct kproxy_listener *l, const union kproxy_addr *addrs,
		 unsigned int n)
{
	struct kproxy_listener_port *ports;
	unsigned int i;

	ports = kcalloc(n, sizeof(*ports), GFP_KERNEL_ACCOUNT);
	if (!ports)
		return NULL;
	ports->nr = n;
	for (i = 0; i < n; i++) {
		ports[i].listener = l;
		ports[i].addr = addrs[i];
		if (port_init(&ports[i])) {
			ports_free(ports);
			return NULL;
		}
	}
	return ports;
}

/**
 * kproxy_ports_accept() - accept who waits, at once
 * @ports: the ports, whose sockets listen
 * @n: how many
 * @fresh: they have not accepted before
 *
 * Also when they were to look again later only, for their listener's rate.
 *
 * Context: process.
 */
void kproxy_ports_accept(struct kproxy_listener_port *ports, unsigned int n,
			 bool fresh)
{
	while (n--) {
		if (fresh)
			port_enable(&ports[n]);
		mod_delayed_work(kproxy_wq, &ports[n].accept, 0);
	}
}

/**
 * kproxy_ports_close() - close the sockets of ports, and free them
 * @ports: the ports, the caller's no more; NULL if @n is 0
 * @n: how many
 *
 * Clients that wait there are reset. What a port has claimed may be claimed by
 * another again.
 *
 * Context: process, sleeps until their work is done and for a grace period; the
 * configuration lock is held.
 */
void kproxy_ports_close(struct kproxy_listener_port *ports, unsigned int n)
{
	unsigned int i;

	if (!n)
		return;
	for (i = 0; i < n; i++)
		port_stop(&ports[i]);
	/* Clients that were accepted may be on their way to another CPU. */
	kproxy_start_flush();
	for (i = 0; i < n; i++) {
		if (ports[i].ks.socket)
			kproxy_sock_abort(&ports[i].ks);
		kproxy_quota_uncharge(ports[i].listener->obj.quota,
				      KPROXY_QUOTA_OBJECTS, 1);
		if (ports[i].claims)
			ports[i].donor->donates = false;
	}
	call_rcu(&ports->rcu, ports_free_rcu);
}

static struct kproxy_listener_port *
find_port(struct kproxy_listener *l, const union kproxy_addr *addr)
{
	unsigned int i;

	for (i = 0; i < l->nr_ports; i++)
		if (kproxy_addr_equal(&l->ports[i].addr, addr) &&
		    !kproxy_port_dead(&l->ports[i]))
			return &l->ports[i];
	return NULL;
}

/* The port that has the address now and may give its socket away, if any. */
static struct kproxy_listener_port *find_donor(struct kproxy_listener *l,
					       const union kproxy_addr *addr,
					       const struct kproxy_view *view)
{
	struct kproxy_listener_port *port = find_port(l, addr);
	struct kproxy_listener *other;

	/* A single request changes no other listener. */
	if (port || view->single)
		return port;
	/* A listener that is not current has no ports yet. */
	list_for_each_entry(other, &l->obj.kn->listeners, obj.node) {
		port = find_port(other, addr);
		if (port)
			break;
	}
	return port;
}

/**
 * kproxy_ports_bind() - a socket for each port, or whose it will take over
 * @ports: new ports, the configuration lock held
 * @n: how many
 * @transparent: bind to addresses that are not local, too
 * @view: the view that they belong to; gets the number of one that is refused
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; what opening a socket and bind() say. After a failure some
 * have a socket, which kproxy_ports_close() closes.
 */
int kproxy_ports_bind(struct kproxy_listener_port *ports, unsigned int n,
		      bool transparent, struct kproxy_view *view)
{
	unsigned int i;
	int err;

	for (i = 0; i < n; i++) {
		ports[i].donor = find_donor(ports[i].listener, &ports[i].addr,
					    view);
		if (ports[i].donor)
			continue;
		err = port_bind(&ports[i], transparent);
		if (err) {
			view->bad = i;
			return err;
		}
	}
	return 0;
}
