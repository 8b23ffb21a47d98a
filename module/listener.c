// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners accept clients and hand them to a session each. A listening
 * socket's data_ready queues work on the CPU that received the client's last
 * ACK; the work accepts whatever waits. No thread belongs to a listener.
 */
#include <linux/jiffies.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/inet_connection_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"
#include "listener.h"
#include "log.h"
#include "main.h"
#include "netns.h"
#include "session.h"
#include "session-table.h"
#include "upstream.h"

/* Clients accepted in one go, before others get the worker. */
#define ACCEPT_BATCH 64

/* How long to leave clients waiting when memory or files were short. */
#define ACCEPT_PAUSE (HZ / 20 ?: 1)

const struct kproxy_listener_options kproxy_listener_defaults = {
	.backlog = 4096,
	.connect_timeout = 5 * MSEC_PER_SEC,
	.idle_timeout = 600 * MSEC_PER_SEC,
	.fin_timeout = 60 * MSEC_PER_SEC,
	.sockopts = KPROXY_SOCKOPTS_DEFAULTS,
};

static void port_kick(struct kproxy_listener_port *port, unsigned long delay)
{
	queue_delayed_work(kproxy_wq, &port->accept, delay);
}

/* Softirq; the listening socket is not locked. */
static void port_data_ready(struct kproxy_sock *ks)
{
	port_kick(container_of(ks, struct kproxy_listener_port, ks), 0);
}

static void port_ignore(struct kproxy_sock *ks)
{
}

static const struct kproxy_sock_ops port_ops = {
	.data_ready = port_data_ready,
	.write_space = port_ignore,
	.changed = port_ignore,
};

static bool listener_full(const struct kproxy_listener *l)
{
	unsigned int max = READ_ONCE(l->options.maxconn);

	return max && atomic_read(&l->sessions) >= max;
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

static void port_accept(struct work_struct *work)
{
	struct kproxy_listener_port *port =
		container_of(to_delayed_work(work),
			     struct kproxy_listener_port, accept);
	struct kproxy_listener *l = port->listener;
	struct socket *client;
	unsigned long wait;
	int n, err;

	for (n = 0; n < ACCEPT_BATCH; n++) {
		/* The end of a session brings us back. */
		if (port_empty(port) || listener_full(l))
			return;
		wait = listener_take(l);
		if (wait) {
			port_kick(port, wait);
			return;
		}
		err = kernel_accept(port->ks.socket, &client, O_NONBLOCK);
		if (err) {
			listener_give_back(l);
			if (err != -EAGAIN)
				port_kick(port, ACCEPT_PAUSE);
			return;
		}
		if (listener_allows(l, client->sk)) {
			kproxy_session_start(l, &port->ks, client);
		} else {
			listener_give_back(l);
			kproxy_listener_refused(l);
			kproxy_sock_reset(client);
		}
	}
	port_kick(port, 0);
}

/* Bind a socket to the port's address; for any, to both families' if it can. */
static int port_bind(struct kproxy_listener_port *port)
{
	union kproxy_addr addr = port->addr;
	bool any = addr.sa.sa_family == AF_UNSPEC;
	struct socket *socket;
	int err;

	if (any)
		addr.sa.sa_family = AF_INET6;
	err = kproxy_sock_create(port->listener->kn->net, addr.sa.sa_family,
				 &socket);
	if (err == -EAFNOSUPPORT && any) {
		addr.sa.sa_family = AF_INET;
		err = kproxy_sock_create(port->listener->kn->net, AF_INET,
					 &socket);
	}
	if (err)
		return err;
	sock_set_reuseaddr(socket->sk);
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
	kproxy_sock_attach(&port->ks, socket, NULL, &port_ops);
	return 0;
}

/*
 * Change the options of all listening sockets, for the clients that come from
 * now on; or of none.
 */
static int listener_apply(struct kproxy_listener *l,
			  const struct kproxy_sockopts *from,
			  const struct kproxy_sockopts *to)
{
	enum kproxy_sockopt bad;
	unsigned int i;
	int err;

	for (i = 0; i < l->nr_ports; i++) {
		err = kproxy_sockopts_apply(l->ports[i].ks.socket,
					    KPROXY_SOCKOPTS_LISTEN, from, to,
					    &bad);
		if (err)
			goto err_undo;
	}
	return 0;

err_undo:
	while (i--)
		kproxy_sockopts_apply(l->ports[i].ks.socket,
				      KPROXY_SOCKOPTS_LISTEN, to, from, &bad);
	return err;
}

/* After this nothing accepts, and the work can't be queued again. */
static void port_close(struct kproxy_listener_port *port)
{
	if (!port->ks.socket)
		return;
	kproxy_sock_detach(&port->ks);
	disable_delayed_work_sync(&port->accept);
	kproxy_sock_abort(&port->ks);
}

static int listener_open(struct kproxy_listener *l, unsigned int *bad)
{
	unsigned int i;
	int err;

	for (i = 0; i < l->nr_ports; i++) {
		*bad = i;
		err = port_bind(&l->ports[i]);
		if (err)
			return err;
	}
	/* The window's scale depends on them, and is chosen for the first SYN. */
	err = listener_apply(l, &kproxy_sockopts_defaults,
			     &l->options.sockopts);
	if (err)
		return err;
	for (i = 0; i < l->nr_ports; i++) {
		*bad = i;
		err = kernel_listen(l->ports[i].ks.socket, l->options.backlog);
		if (err)
			return err;
	}
	return 0;
}

static void listener_close(struct kproxy_listener *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_ports; i++)
		port_close(&l->ports[i]);
}

static struct kproxy_listener *
listener_new(struct kproxy_net *kn, const char *name,
	     const union kproxy_addr *addrs, unsigned int nr_addrs)
{
	struct kproxy_listener *l;
	unsigned int i;

	l = kzalloc(struct_size(l, ports, nr_addrs), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;
	l->stats = kproxy_stats_new();
	if (!l->stats) {
		kfree(l);
		return NULL;
	}
	refcount_set(&l->refs, 1);
	l->kn = kn;
	l->id = ++kn->last_object;
	strscpy(l->name, name, sizeof(l->name));
	spin_lock_init(&l->lock);
	kproxy_rate_init(&l->rate, jiffies);
	l->nr_ports = nr_addrs;
	for (i = 0; i < nr_addrs; i++) {
		l->ports[i].listener = l;
		l->ports[i].addr = addrs[i];
		INIT_DELAYED_WORK(&l->ports[i].accept, port_accept);
	}
	return l;
}

static void listener_use(struct kproxy_listener *l, struct kproxy_upstream *up)
{
	struct kproxy_upstream *old;

	if (up) {
		kproxy_upstream_hold(up);
		up->users++;
	}
	spin_lock(&l->lock);
	old = l->upstream;
	l->upstream = up;
	spin_unlock(&l->lock);
	if (old) {
		old->users--;
		kproxy_upstream_put(old);
	}
}

static void listener_refusal(int err, const union kproxy_addr *addr,
			     struct netlink_ext_ack *extack)
{
	const char *why;

	switch (err) {
	case -EADDRINUSE:
		why = "is already in use";
		break;
	case -EADDRNOTAVAIL:
		why = "is not local";
		break;
	case -EAFNOSUPPORT:
		why = "is of a family that is off";
		break;
	case -ENODEV:
		why = "names no interface";
		break;
	case -EINVAL:
		why = "can't be listened on";
		break;
	default:
		return;
	}
	if (addr->sa.sa_family == AF_UNSPEC)
		NL_SET_ERR_MSG_FMT(extack, "address *:%u %s",
				   ntohs(kproxy_addr_port(addr)), why);
	else
		NL_SET_ERR_MSG_FMT(extack, "address %pISpc %s", addr, why);
}

/**
 * kproxy_listener_find() - a listener by its name
 * @kn: the namespace's root, its lock held
 * @name: the name
 *
 * Return: the listener, not held, or NULL.
 */
struct kproxy_listener *kproxy_listener_find(struct kproxy_net *kn,
					     const char *name)
{
	struct kproxy_listener *l;

	lockdep_assert_held(&kn->lock);
	list_for_each_entry(l, &kn->listeners, node)
		if (!strcmp(l->name, name))
			return l;
	return NULL;
}

/**
 * kproxy_listener_add() - accept clients on some addresses
 * @kn: the namespace's root, its lock held
 * @name: a valid name
 * @addrs: the addresses, each different
 * @nr_addrs: how many, at least one
 * @upstream: who gets the sessions
 * @options: its options; their list of networks is the listener's from here on
 * @extack: gets the reason of a refusal
 * @bad: which address was refused, when one was; untouched otherwise
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a name in use; -ENOMEM; what opening a socket says.
 * After a failure nothing accepts, and the list of networks is freed.
 */
int kproxy_listener_add(struct kproxy_net *kn, const char *name,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack, unsigned int *bad)
{
	struct kproxy_listener *l;
	int err;

	lockdep_assert_held(&kn->lock);
	if (kproxy_listener_find(kn, name)) {
		NL_SET_ERR_MSG(extack, "a listener of this name exists");
		err = -EEXIST;
		goto err_prefixes;
	}
	/*
	 * Without memory for it there is none; another listener may bring it.
	 * A session that ends meanwhile sees all of it, or none.
	 */
	if (!kn->log)
		/* pairs with READ_ONCE() in session_end() */
		smp_store_release(&kn->log, kproxy_log_open(kn->net));
	err = -ENOMEM;
	l = listener_new(kn, name, addrs, nr_addrs);
	if (!l)
		goto err_prefixes;
	l->options = *options;
	listener_use(l, upstream);
	list_add_tail(&l->node, &kn->listeners);
	err = listener_open(l, bad);
	if (err) {
		listener_refusal(err, &addrs[*bad], extack);
		kproxy_listener_del(l, true);
		return err;
	}
	kproxy_net_changed(kn);
	return 0;

err_prefixes:
	kproxy_prefixes_free(rcu_dereference_protected(options->prefixes, true));
	return err;
}

/* A list that is not the one it has takes the place of that. */
static void listener_set_prefixes(struct kproxy_listener *l,
				  const struct kproxy_listener_options *options)
{
	struct kproxy_prefixes *prefixes, *old;

	prefixes = rcu_dereference_protected(options->prefixes, true);
	old = rcu_replace_pointer(l->options.prefixes, prefixes,
				  lockdep_is_held(&l->kn->lock));
	if (old != prefixes)
		kproxy_prefixes_free(old);
}

/**
 * kproxy_listener_set() - change a listener for sessions to come
 * @l: the listener, its namespace's lock held
 * @upstream: who gets them
 * @options: its options from now on; a list of networks other than the one it
 *	has is the listener's from here on
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0, or what the sockets say of the backlog or their options; then
 * nothing is changed, and the list of networks is the caller's still.
 */
int kproxy_listener_set(struct kproxy_listener *l,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err;

	lockdep_assert_held(&l->kn->lock);
	err = listener_apply(l, &l->options.sockopts, &options->sockopts);
	if (err) {
		NL_SET_ERR_MSG(extack, "the options of its sockets were refused");
		return err;
	}
	if (options->backlog != l->options.backlog) {
		for (i = 0; i < l->nr_ports; i++) {
			err = kernel_listen(l->ports[i].ks.socket,
					    options->backlog);
			if (err) {
				NL_SET_ERR_MSG(extack, "the backlog was refused");
				listener_apply(l, &options->sockopts,
					       &l->options.sockopts);
				return err;
			}
		}
	}
	if (upstream != l->upstream)
		listener_use(l, upstream);
	WRITE_ONCE(l->options.maxconn, options->maxconn);
	WRITE_ONCE(l->options.backlog, options->backlog);
	WRITE_ONCE(l->options.connect_timeout, options->connect_timeout);
	WRITE_ONCE(l->options.idle_timeout, options->idle_timeout);
	WRITE_ONCE(l->options.fin_timeout, options->fin_timeout);
	WRITE_ONCE(l->options.max_age, options->max_age);
	l->options.sockopts = options->sockopts;
	WRITE_ONCE(l->options.rate, options->rate);
	WRITE_ONCE(l->options.client_maxconn, options->client_maxconn);
	WRITE_ONCE(l->options.client_rate, options->client_rate);
	WRITE_ONCE(l->options.accept_proxy, options->accept_proxy);
	listener_set_prefixes(l, options);
	/* There may be room now for clients that wait, also for their rate. */
	for (i = 0; i < l->nr_ports; i++)
		mod_delayed_work(kproxy_wq, &l->ports[i].accept, 0);
	kproxy_net_changed(l->kn);
	return 0;
}

/**
 * kproxy_listener_del() - stop accepting
 * @l: the listener, its namespace's lock held; the caller's no more
 * @kill: reset its live sessions, which go on otherwise
 *
 * Context: process, sleeps until its accept work is done.
 */
void kproxy_listener_del(struct kproxy_listener *l, bool kill)
{
	struct kproxy_net *kn = l->kn;

	lockdep_assert_held(&kn->lock);
	list_del(&l->node);
	listener_close(l);
	if (kill)
		kproxy_session_kill_listener(l);
	listener_use(l, NULL);
	kproxy_net_changed(kn);
	kproxy_listener_put(l);
}

/**
 * kproxy_listener_del_all() - remove every listener of a namespace
 * @kn: the namespace's root, its lock held
 */
void kproxy_listener_del_all(struct kproxy_net *kn)
{
	struct kproxy_listener *l, *next;

	list_for_each_entry_safe(l, next, &kn->listeners, node)
		kproxy_listener_del(l, false);
}

/**
 * kproxy_listener_hold() - take a reference
 * @l: the listener, held already or accepting
 *
 * Context: any.
 */
void kproxy_listener_hold(struct kproxy_listener *l)
{
	refcount_inc(&l->refs);
}

/**
 * kproxy_listener_put() - drop a reference
 * @l: the listener
 *
 * Context: any. A softirq may still be in the callback of one of its sockets.
 */
void kproxy_listener_put(struct kproxy_listener *l)
{
	if (!refcount_dec_and_test(&l->refs))
		return;
	kproxy_stats_free(l->stats);
	kproxy_prefixes_free(rcu_dereference_protected(l->options.prefixes,
						       true));
	kfree_rcu(l, rcu);
}

/**
 * kproxy_listener_refused() - count a client that was turned away
 * @l: the listener, held or accepting
 *
 * Context: any.
 */
void kproxy_listener_refused(struct kproxy_listener *l)
{
	kproxy_stats_inc(l->kn->stats, KPROXY_REFUSED);
	kproxy_stats_inc(l->stats, KPROXY_REFUSED);
}

/**
 * kproxy_listener_session_ended() - one session less: accept who waits for it
 * @l: the listener, held
 *
 * Context: process.
 */
void kproxy_listener_session_ended(struct kproxy_listener *l)
{
	unsigned int i;

	atomic_dec(&l->sessions);
	if (!READ_ONCE(l->options.maxconn))
		return;
	for (i = 0; i < l->nr_ports; i++)
		port_kick(&l->ports[i], 0);
}

/**
 * kproxy_listener_upstream() - who gets a listener's sessions now
 * @l: the listener
 *
 * Context: process.
 * Return: the upstream, held, or NULL when the listener is being deleted.
 */
struct kproxy_upstream *kproxy_listener_upstream(struct kproxy_listener *l)
{
	struct kproxy_upstream *up;

	spin_lock(&l->lock);
	up = l->upstream;
	if (up)
		kproxy_upstream_hold(up);
	spin_unlock(&l->lock);
	return up;
}
