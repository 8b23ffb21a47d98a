// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of listeners: their options, addresses and upstream. An address that
 * a listener gives up in a view can go to another listener, together with its
 * socket and the clients in the backlog.
 */
#include <linux/jiffies.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "drain.h"
#include "events.h"
#include "listener.h"
#include "listener-change.h"
#include "listen-sock.h"
#include "log.h"
#include "quota.h"
#include "root.h"
#include "route.h"
#include "route-change.h"
#include "session-table.h"
#include "shared.h"
#include "source.h"
#include "transaction.h"
#include "upstream.h"

/*
 * What becomes of a listener, which is held. When the listening sockets are to
 * change, @lsocks are the new ones, and the old ones once it is published.
 */
struct listener_change {
	struct kproxy_change change;
	struct kproxy_next next;
	struct kproxy_listener *l;
	bool add;
	bool kill;
	/* how many listening sockets have the new options */
	unsigned int applied;
	/* held */
	struct kproxy_upstream *upstream;
	struct kproxy_listener_options options;
	/* its networks are others; the list that it will not have, or has no more */
	bool networks;
	struct kproxy_prefixes *spare;
	struct kproxy_listen_sock *lsocks;
	unsigned int nr_lsocks;
};

static struct listener_change *to_listener_change(struct kproxy_change *change)
{
	return container_of(change, struct listener_change, change);
}

/* The change of a view, if there is one. */
static struct listener_change *
listener_change_of(const struct kproxy_listener *l,
		   const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&l->obj.states, view);

	return next ? container_of(next, struct listener_change, next) : NULL;
}

/* Claim the donor, if its listener gives it up and nobody else claims it. */
static bool lsock_claim(struct kproxy_listen_sock *lsock,
			const struct kproxy_view *view)
{
	struct kproxy_listen_sock *donor = lsock->donor;
	const struct listener_change *c =
		listener_change_of(donor->listener, view);

	if (!c || donor->donates || (!c->next.gone && !c->lsocks))
		return false;
	donor->donates = true;
	lsock->claims = true;
	return true;
}

/* The listening sockets that it will have. */
static struct kproxy_listen_sock *
change_lsocks(const struct listener_change *c, unsigned int *n)
{
	*n = c->lsocks ? c->nr_lsocks : c->l->nr_lsocks;
	return c->lsocks ?: c->l->lsocks;
}

/*
 * Change the options of a listening socket, or back: for the clients that come
 * from now on, whose window's scale depends on them.
 */
static int lsock_apply(const struct listener_change *c,
		       const struct kproxy_listen_sock *lsock, bool back)
{
	const struct kproxy_sockopts *to = &c->options.sockopts;
	const struct kproxy_sockopts *from;
	struct socket *socket;
	enum kproxy_sockopt bad;

	if (lsock->donor)
		from = &lsock->donor->listener->options.sockopts;
	else
		from = c->lsocks ? &kproxy_sockopts_defaults :
				  &c->l->options.sockopts;
	if (back)
		swap(from, to);
	socket = lsock->donor ? lsock->donor->ks.socket : lsock->ks.socket;
	return kproxy_sockopts_apply(socket, KPROXY_SOCKOPTS_LISTEN, from, to,
				     &bad);
}

static void change_unapply(struct listener_change *c)
{
	struct kproxy_listen_sock *lsocks;
	unsigned int n;

	lsocks = change_lsocks(c, &n);
	while (c->applied)
		lsock_apply(c, &lsocks[--c->applied], true);
}

static void listener_use(struct kproxy_listener *l, struct kproxy_upstream *up)
{
	struct kproxy_upstream *old;

	if (up)
		kproxy_upstream_hold(up);
	spin_lock(&l->lock);
	old = l->upstream;
	l->upstream = up;
	spin_unlock(&l->lock);
	if (old)
		kproxy_upstream_put(old);
}

/* Count the user of the current upstream. */
static void listener_count_now(const struct kproxy_listener *l, int one)
{
	if (l->upstream)
		l->upstream->users += one;
}

static void listener_count_routes(const struct kproxy_listener *l, int one)
{
	kproxy_routes_count(rcu_dereference_protected(l->routes, true), one);
}

static void listener_count(struct kproxy_change *change, int one)
{
	const struct listener_change *c = to_listener_change(change);

	if (c->upstream)
		c->upstream->users += one;
	listener_count_now(c->l, -one);
	if (c->next.gone)
		listener_count_routes(c->l, -one);
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
	case -EPERM:
	case -EACCES:
		why = "is forbidden to you, by your cgroup or the security module";
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

/* @err was said of a listening socket. */
static int refuse_lsock(const struct listener_change *c, unsigned int i,
			int err, struct netlink_ext_ack *extack)
{
	c->next.view->bad = i;
	listener_refusal(err, &c->lsocks[i].addr, extack);
	return err;
}

/* Without transparent, a listener cannot keep an address that is not local. */
static int listener_local(const struct listener_change *c,
			  struct netlink_ext_ack *extack)
{
	const struct kproxy_listen_sock *lsocks;
	const struct kproxy_listener *was;
	const union kproxy_addr *addr;
	unsigned int i, n;

	if (c->options.transparent)
		return 0;
	lsocks = change_lsocks(c, &n);
	for (i = 0; i < n; i++) {
		was = lsocks[i].donor ? lsocks[i].donor->listener : c->l;
		addr = &lsocks[i].addr;
		if (!was->options.transparent ||
		    addr->sa.sa_family == AF_UNSPEC ||
		    kproxy_source_try(c->l->obj.kn->net, addr) != -EADDRNOTAVAIL)
			continue;
		if (c->lsocks)
			c->next.view->bad = i;
		listener_refusal(-EADDRNOTAVAIL, addr, extack);
		return -EADDRNOTAVAIL;
	}
	return 0;
}

static int listener_prepare(struct kproxy_change *change,
			    struct netlink_ext_ack *extack)
{
	struct listener_change *c = to_listener_change(change);
	struct kproxy_listen_sock *lsocks;
	unsigned int i, n;
	int err;

	if (c->next.gone)
		return 0;
	for (i = 0; i < c->nr_lsocks; i++)
		if (c->lsocks[i].donor &&
		    !lsock_claim(&c->lsocks[i], c->next.view))
			return refuse_lsock(c, i, -EADDRINUSE, extack);
	err = listener_local(c, extack);
	if (err)
		return err;
	lsocks = change_lsocks(c, &n);
	for (i = 0; i < n; i++) {
		err = lsock_apply(c, &lsocks[i], false);
		if (err) {
			NL_SET_ERR_MSG(extack,
				       "the options of its sockets were refused");
			return err;
		}
		c->applied++;
	}
	for (i = 0; i < c->nr_lsocks; i++) {
		if (c->lsocks[i].donor)
			continue;
		err = kernel_listen(c->lsocks[i].ks.socket, c->options.backlog);
		if (err)
			return refuse_lsock(c, i, err, extack);
		kproxy_sock_delay_acks(c->lsocks[i].ks.sk);
	}
	return 0;
}

/* For clients that come from now on; those that came have inherited it. */
static void listener_set_transparent(struct kproxy_listener *l, bool on)
{
	unsigned int i;

	for (i = 0; i < l->nr_lsocks; i++)
		inet_assign_bit(TRANSPARENT, l->lsocks[i].ks.sk, on);
	WRITE_ONCE(l->options.transparent, on);
}

static void listener_use_options(struct kproxy_listener *l,
				 const struct kproxy_listener_options *options)
{
	unsigned int i;

	/* listen() would do just this, but it would also revive a dead socket. */
	for (i = 0; i < l->nr_lsocks; i++)
		WRITE_ONCE(l->lsocks[i].ks.sk->sk_max_ack_backlog,
			   options->backlog);
	WRITE_ONCE(l->options.maxconn, options->maxconn);
	WRITE_ONCE(l->options.backlog, options->backlog);
	WRITE_ONCE(l->options.connect_timeout, options->connect_timeout);
	WRITE_ONCE(l->options.idle_timeout, options->idle_timeout);
	WRITE_ONCE(l->options.fin_timeout, options->fin_timeout);
	WRITE_ONCE(l->options.max_age, options->max_age);
	WRITE_ONCE(l->options.rate, options->rate);
	WRITE_ONCE(l->options.client_maxconn, options->client_maxconn);
	WRITE_ONCE(l->options.client_rate, options->client_rate);
	WRITE_ONCE(l->options.accept_proxy, options->accept_proxy);
	listener_set_transparent(l, options->transparent);
	/* The sockets have them since this was prepared. */
	l->options.sockopts = options->sockopts;
}

static void listener_swap_lsocks(struct kproxy_listener *l,
				 struct kproxy_listen_sock **lsocks,
				 unsigned int *n)
{
	spin_lock(&l->lock);
	swap(l->lsocks, *lsocks);
	swap(l->nr_lsocks, *n);
	spin_unlock(&l->lock);
}

static void listener_publish_lsocks(struct listener_change *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_lsocks; i++) {
		if (!c->lsocks[i].donor)
			continue;
		kproxy_lsock_take_over(&c->lsocks[i]);
		/* A callback that is running may still use the donor. */
		c->change.grace = true;
	}
	listener_swap_lsocks(c->l, &c->lsocks, &c->nr_lsocks);
}

static void listener_publish(struct kproxy_change *change)
{
	struct listener_change *c = to_listener_change(change);
	struct kproxy_listener *l = c->l;
	bool fresh = c->lsocks;

	if (c->next.gone)
		return;
	l->obj.states.now = true;
	/* Its first client must be led by them. */
	if (c->add)
		kproxy_route_publish(l, c->next.view);
	if (c->upstream != l->upstream)
		listener_use(l, c->upstream);
	if (fresh)
		listener_publish_lsocks(c);
	listener_use_options(l, &c->options);
	if (c->networks)
		c->spare = rcu_replace_pointer(l->options.prefixes, c->spare,
					       lockdep_is_held(&l->obj.kn->lock));
	/* There may be room for clients that wait, also for their rate. */
	kproxy_lsocks_accept(l->lsocks, l->nr_lsocks, fresh);
	kproxy_events->listener(l, c->add ? KPROXY_CMD_LISTENER_ADD_NTF :
					    KPROXY_CMD_LISTENER_SET_NTF);
}

/* Its upstreams do not count it any more. The caller puts it. */
static void listener_unlink(struct kproxy_listener *l, bool kill)
{
	struct kproxy_listen_sock *lsocks = NULL;
	unsigned int n = 0;

	kproxy_object_unlink(&l->obj);
	listener_swap_lsocks(l, &lsocks, &n);
	kproxy_lsocks_close(lsocks, n);
	if (kill)
		kproxy_session_kill_listener(l);
	listener_use(l, NULL);
}

static void listener_change_free(struct listener_change *c)
{
	if (c->lsocks)
		kproxy_lsocks_close(c->lsocks, c->nr_lsocks);
	if (c->upstream)
		kproxy_upstream_put(c->upstream);
	kproxy_prefixes_free(c->spare);
	kproxy_listener_put(c->l);
	kfree(c);
}

static void listener_finish(struct kproxy_change *change, bool published)
{
	struct listener_change *c = to_listener_change(change);
	struct kproxy_listener *l = c->l;

	if (!published)
		change_unapply(c);
	if (published && change->grace)
		kproxy_lsocks_kick(l->lsocks, l->nr_lsocks);
	if (published && c->next.gone) {
		kproxy_events->listener(l, KPROXY_CMD_LISTENER_DEL_NTF);
		listener_unlink(l, c->kill);
		kproxy_listener_put(l);
	}
	if (!published && c->add) {
		kproxy_object_unlink(&l->obj);
		kproxy_listener_put(l);
	}
	listener_change_free(c);
}

static const struct kproxy_change_ops listener_change_ops = {
	.count = listener_count,
	.prepare = listener_prepare,
	.publish = listener_publish,
	.finish = listener_finish,
};

/* The new list of networks in @options, NULL when there is none. */
static struct kproxy_prefixes *
new_prefixes(const struct kproxy_listener *l,
	     const struct kproxy_listener_options *options)
{
	struct kproxy_prefixes *prefixes;

	prefixes = rcu_dereference_protected(options->prefixes, true);
	return prefixes == rcu_access_pointer(l->options.prefixes) ? NULL :
								     prefixes;
}

/*
 * Whom and what the listener will have; its addresses stay what they are. A new
 * list of networks is freed if there is no memory for this.
 */
static struct listener_change *
listener_change_new(struct kproxy_listener *l, struct kproxy_upstream *upstream,
		    const struct kproxy_listener_options *options)
{
	struct listener_change *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c) {
		kproxy_prefixes_free(new_prefixes(l, options));
		return NULL;
	}
	c->l = l;
	kproxy_listener_hold(l);
	c->upstream = upstream;
	if (upstream)
		kproxy_upstream_hold(upstream);
	c->options = *options;
	c->networks = rcu_access_pointer(options->prefixes) !=
		      rcu_access_pointer(l->options.prefixes);
	c->spare = new_prefixes(l, options);
	return c;
}

static void listener_stage(struct listener_change *c, struct kproxy_view *view)
{
	c->change = (struct kproxy_change){
		.ops = &listener_change_ops,
		.obj = &c->l->obj,
		.states = &c->l->obj.states,
		.next = &c->next,
	};
	kproxy_change_stage(&c->change, view);
}

/* Give the change new addresses. */
static int change_addresses(struct listener_change *c, struct kproxy_view *view,
			    const union kproxy_addr *addrs, unsigned int n,
			    struct netlink_ext_ack *extack)
{
	struct kproxy_quota *quota = c->l->obj.quota;
	int err;

	err = kproxy_quota_charge(quota, KPROXY_QUOTA_OBJECTS, n, extack);
	if (err)
		return err;
	c->lsocks = kproxy_lsocks_new(c->l, addrs, n);
	if (!c->lsocks) {
		kproxy_quota_uncharge(quota, KPROXY_QUOTA_OBJECTS, n);
		return -ENOMEM;
	}
	c->nr_lsocks = n;
	err = kproxy_lsocks_bind(c->lsocks, n, c->options.transparent, view);
	if (err)
		listener_refusal(err, &addrs[view->bad], extack);
	return err;
}

/**
 * kproxy_listener_add() - accept clients on some addresses
 * @view: the view to add it to, the lock of its namespace's configuration held
 * @name: a valid name
 * @addrs: the addresses, each different
 * @nr_addrs: how many, at least one
 * @upstream: who gets the sessions, found in the view
 * @options: its options; their list of networks is the listener's from here on,
 *	and freed when this fails
 * @extack: gets the reason of a refusal; of an address, its number is in the
 *	view
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a name in use; -EDQUOT; -ENOMEM; what opening a socket
 * says.
 */
int kproxy_listener_add(struct kproxy_view *view, const char *name,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack)
{
	struct kproxy_net *kn = view->kn;
	struct listener_change *c;
	struct kproxy_listener *l;
	int err = -ENOMEM;

	lockdep_assert_held(&kn->lock);
	if (kproxy_listener_find(kn, name, view)) {
		NL_SET_ERR_MSG(extack, "a listener of this name exists");
		err = -EEXIST;
		goto err_prefixes;
	}
	err = kproxy_quota_charge(kn->quota, KPROXY_QUOTA_OBJECTS, 1, extack);
	if (err)
		goto err_prefixes;
	/*
	 * Without memory for it there is none; another listener may bring it.
	 * A session that ends meanwhile sees all of it, or none.
	 */
	if (!kn->log)
		/* pairs with READ_ONCE() in session_end() */
		smp_store_release(&kn->log, kproxy_log_open());
	l = kproxy_listener_new(kn, name);
	if (!l) {
		kproxy_quota_uncharge(kn->quota, KPROXY_QUOTA_OBJECTS, 1);
		err = -ENOMEM;
		goto err_prefixes;
	}
	c = listener_change_new(l, upstream, options);
	if (!c) {
		kproxy_listener_put(l);
		return -ENOMEM;
	}
	c->add = true;
	err = change_addresses(c, view, addrs, nr_addrs, extack);
	if (err) {
		listener_change_free(c);
		kproxy_listener_put(l);
		return err;
	}
	kproxy_object_link(&l->obj, &kn->listeners);
	listener_stage(c, view);
	return 0;

err_prefixes:
	kproxy_prefixes_free(rcu_dereference_protected(options->prefixes, true));
	return err;
}

/**
 * kproxy_listener_set() - change a listener for sessions to come
 * @view: the view to change it in
 * @l: the listener, found there, its namespace's lock held
 * @addrs: its addresses from then on, each different
 * @nr_addrs: how many, 0 to leave them as they are
 * @upstream: who gets the sessions, found in the view
 * @options: its options from then on; a list of networks other than the one it
 *	has is the listener's from here on, and freed when this fails
 * @extack: gets the reason of a refusal; of an address, its number is in the
 *	view
 *
 * An address that it has already keeps its socket.
 *
 * Context: process, may sleep.
 * Return: 0; -EDQUOT; -ENOMEM; what opening a socket says; -EBUSY when the view
 * has changed it already.
 */
int kproxy_listener_set(struct kproxy_view *view, struct kproxy_listener *l,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack)
{
	struct listener_change *c;
	int err = 0;

	lockdep_assert_held(&l->obj.kn->lock);
	if (listener_change_of(l, view)) {
		kproxy_prefixes_free(new_prefixes(l, options));
		return kproxy_change_twice(extack);
	}
	c = listener_change_new(l, upstream, options);
	if (!c)
		return -ENOMEM;
	if (nr_addrs)
		err = change_addresses(c, view, addrs, nr_addrs, extack);
	if (err)
		listener_change_free(c);
	else
		listener_stage(c, view);
	return err;
}

/**
 * kproxy_listener_del() - stop accepting
 * @view: the view to remove it from
 * @l: the listener, found there, its namespace's lock held
 * @kill: reset its live sessions, which go on otherwise
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has changed it or its routes
 * already.
 */
int kproxy_listener_del(struct kproxy_view *view, struct kproxy_listener *l,
			bool kill, struct netlink_ext_ack *extack)
{
	struct listener_change *c;

	lockdep_assert_held(&l->obj.kn->lock);
	if (listener_change_of(l, view) || kproxy_next(&l->route_states, view))
		return kproxy_change_twice(extack);
	c = listener_change_new(l, NULL, &l->options);
	if (!c)
		return -ENOMEM;
	c->next.gone = true;
	c->kill = kill;
	listener_stage(c, view);
	return 0;
}

/* Remove it at once, without a change. The caller puts it. */
static void listener_withdraw(struct kproxy_listener *l)
{
	listener_count_now(l, -1);
	listener_count_routes(l, -1);
	listener_unlink(l, false);
	kproxy_net_changed(l->obj.kn);
}

/**
 * kproxy_listener_drain() - stop accepting, and end its sessions at a rate
 * @l: the listener, its namespace's lock held; not to be used afterwards
 * @rate: sessions a second, 0 for as many as the deadline needs
 * @deadline: when all are ended, in milliseconds, 0 for never; not both
 *
 * Context: process, sleeps until its accept work is done.
 */
void kproxy_listener_drain(struct kproxy_listener *l, unsigned int rate,
			   unsigned int deadline)
{
	lockdep_assert_held(&l->obj.kn->lock);
	kproxy_events->listener(l, KPROXY_CMD_LISTENER_DEL_NTF);
	listener_withdraw(l);
	kproxy_drain_start(l, rate, deadline);
}

/**
 * kproxy_listener_del_all() - remove every listener of a namespace
 * @kn: the namespace's root, its lock held; nothing is staged
 */
void kproxy_listener_del_all(struct kproxy_net *kn)
{
	struct kproxy_listener *l, *next;

	list_for_each_entry_safe(l, next, &kn->listeners, obj.node) {
		listener_withdraw(l);
		kproxy_listener_put(l);
		cond_resched();
	}
}

static bool listener_report_deaths(struct kproxy_listener *l)
{
	bool died = false;
	unsigned int i;

	for (i = 0; i < l->nr_lsocks; i++) {
		struct kproxy_listen_sock *lsock = &l->lsocks[i];

		if (lsock->death_reported || !kproxy_lsock_dead(lsock))
			continue;
		WRITE_ONCE(lsock->death_reported, true);
		died = true;
	}
	return died;
}

static void deaths_work(struct work_struct *work)
{
	struct kproxy_net *kn = container_of(work, struct kproxy_net, deaths);
	struct kproxy_listener *l;

	mutex_lock(&kn->lock);
	list_for_each_entry(l, &kn->listeners, obj.node)
		if (listener_report_deaths(l))
			kproxy_events->listener(l,
						KPROXY_CMD_LISTENER_DOWN_NTF);
	mutex_unlock(&kn->lock);
}

/**
 * kproxy_listener_init() - prepare to announce dead listening sockets
 * @kn: the namespace's root
 */
void kproxy_listener_init(struct kproxy_net *kn)
{
	INIT_WORK(&kn->deaths, deaths_work);
}

/**
 * kproxy_listener_stop() - stop announcing dead listening sockets
 * @kn: the namespace's root, without a listener
 *
 * Context: process, sleeps until the work is done.
 */
void kproxy_listener_stop(struct kproxy_net *kn)
{
	disable_work_sync(&kn->deaths);
}
