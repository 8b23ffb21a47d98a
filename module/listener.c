// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners: accept clients on some addresses (listener-port.c), each for a
 * session with a server of their upstream. Their options are changed, and their
 * addresses traded, by changes of a transaction.
 */
#include <linux/jiffies.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "listener.h"
#include "listener-port.h"
#include "log.h"
#include "main.h"
#include "netlink.h"
#include "netns.h"
#include "quota.h"
#include "route.h"
#include "session-table.h"
#include "source.h"
#include "transaction.h"
#include "upstream.h"

const struct kproxy_listener_options kproxy_listener_defaults = {
	.backlog = 4096,
	.connect_timeout = 5 * MSEC_PER_SEC,
	.idle_timeout = 600 * MSEC_PER_SEC,
	.fin_timeout = 60 * MSEC_PER_SEC,
	.sockopts = KPROXY_SOCKOPTS_DEFAULTS,
};

/*
 * What becomes of a listener, which is held. When the ports are to change,
 * @ports are the new ones, and the old ones once it is published.
 */
struct listener_change {
	struct kproxy_change change;
	struct kproxy_listener *l;
	bool add;
	bool del;
	bool kill;
	/* part of a transaction, so that a refusal must say what it is about */
	bool staged;
	/* which address was refused, NULL when nobody asks any more */
	unsigned int *bad;
	/* how many ports' sockets have the new options */
	unsigned int applied;
	/* held */
	struct kproxy_upstream *upstream;
	struct kproxy_listener_options options;
	/* its networks are others; the list that it will not have, or has no more */
	bool networks;
	struct kproxy_prefixes *spare;
	struct kproxy_listener_port *ports;
	unsigned int nr_ports;
};

static struct listener_change *to_listener_change(struct kproxy_change *change)
{
	return container_of(change, struct listener_change, change);
}

/* Does the port's listener let go of it, and has nobody else claimed it? */
static bool port_claim(struct kproxy_listener_port *port)
{
	struct kproxy_listener_port *donor = port->donor;
	const struct listener_change *c;

	if (!donor->listener->change || donor->donates)
		return false;
	c = to_listener_change(donor->listener->change);
	if (!c->del && !c->ports)
		return false;
	donor->donates = true;
	port->claims = true;
	return true;
}

/* The ports that it will have. */
static struct kproxy_listener_port *
change_ports(const struct listener_change *c, unsigned int *n)
{
	*n = c->ports ? c->nr_ports : c->l->nr_ports;
	return c->ports ?: c->l->ports;
}

/*
 * Change the options of a port's socket, or back: for the clients that come
 * from now on, whose window's scale depends on them.
 */
static int port_apply(const struct listener_change *c,
		      const struct kproxy_listener_port *port, bool back)
{
	const struct kproxy_sockopts *to = &c->options.sockopts;
	const struct kproxy_sockopts *from;
	struct socket *socket;
	enum kproxy_sockopt bad;

	if (port->donor)
		from = &port->donor->listener->options.sockopts;
	else
		from = c->ports ? &kproxy_sockopts_defaults :
				  &c->l->options.sockopts;
	if (back)
		swap(from, to);
	socket = port->donor ? port->donor->ks.socket : port->ks.socket;
	return kproxy_sockopts_apply(socket, KPROXY_SOCKOPTS_LISTEN, from, to,
				     &bad);
}

static void change_unapply(struct listener_change *c)
{
	struct kproxy_listener_port *ports;
	unsigned int n;

	ports = change_ports(c, &n);
	while (c->applied)
		port_apply(c, &ports[--c->applied], true);
}

static struct kproxy_listener *listener_new(struct kproxy_net *kn,
					    const char *name)
{
	struct kproxy_listener *l;

	l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;
	l->stats = kproxy_stats_new();
	if (!l->stats) {
		kfree(l);
		return NULL;
	}
	refcount_set(&l->refs, 1);
	l->kn = kn;
	l->quota = kproxy_quota_hold(kn->quota);
	l->id = ++kn->last_object;
	strscpy(l->name, name, sizeof(l->name));
	spin_lock_init(&l->lock);
	kproxy_rate_init(&l->rate, jiffies);
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

/* @name is that of the listener, or NULL when the reader knows it. */
static void listener_refusal(int err, const char *name,
			     const union kproxy_addr *addr,
			     struct netlink_ext_ack *extack)
{
	char who[KPROXY_NAME_MAX + sizeof("listener \"\": ")] = "";
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
	if (name)
		snprintf(who, sizeof(who), "listener \"%s\": ", name);
	if (addr->sa.sa_family == AF_UNSPEC)
		NL_SET_ERR_MSG_FMT(extack, "%saddress *:%u %s", who,
				   ntohs(kproxy_addr_port(addr)), why);
	else
		NL_SET_ERR_MSG_FMT(extack, "%saddress %pISpc %s", who, addr,
				   why);
}

/* @err was said of a port. */
static int refuse_port(const struct listener_change *c, unsigned int i, int err,
		       struct netlink_ext_ack *extack)
{
	if (c->bad)
		*c->bad = i;
	listener_refusal(err, c->staged ? c->l->name : NULL, &c->ports[i].addr,
			 extack);
	return err;
}

/* An address of somebody else's can't stay when it is transparent no more. */
static int listener_local(const struct listener_change *c,
			  struct netlink_ext_ack *extack)
{
	const struct kproxy_listener_port *ports;
	const struct kproxy_listener *was;
	const union kproxy_addr *addr;
	unsigned int i, n;

	if (c->options.transparent)
		return 0;
	ports = change_ports(c, &n);
	for (i = 0; i < n; i++) {
		was = ports[i].donor ? ports[i].donor->listener : c->l;
		addr = &ports[i].addr;
		if (!was->options.transparent ||
		    addr->sa.sa_family == AF_UNSPEC ||
		    kproxy_source_try(c->l->kn->net, addr) != -EADDRNOTAVAIL)
			continue;
		if (c->bad && c->ports)
			*c->bad = i;
		listener_refusal(-EADDRNOTAVAIL, c->staged ? c->l->name : NULL,
				 addr, extack);
		return -EADDRNOTAVAIL;
	}
	return 0;
}

static int refuse_sockopts(const struct listener_change *c, int err,
			   struct netlink_ext_ack *extack)
{
	if (c->staged)
		NL_SET_ERR_MSG_FMT(extack,
				   "listener \"%s\": the options of its sockets were refused",
				   c->l->name);
	else
		NL_SET_ERR_MSG(extack, "the options of its sockets were refused");
	return err;
}

static int listener_prepare(struct kproxy_change *change,
			    struct netlink_ext_ack *extack)
{
	struct listener_change *c = to_listener_change(change);
	struct kproxy_listener_port *ports;
	unsigned int i, n;
	int err;

	if (c->del)
		return 0;
	for (i = 0; i < c->nr_ports; i++)
		if (c->ports[i].donor && !port_claim(&c->ports[i]))
			return refuse_port(c, i, -EADDRINUSE, extack);
	err = listener_local(c, extack);
	if (err)
		return err;
	ports = change_ports(c, &n);
	for (i = 0; i < n; i++) {
		err = port_apply(c, &ports[i], false);
		if (err)
			return refuse_sockopts(c, err, extack);
		c->applied++;
	}
	for (i = 0; i < c->nr_ports; i++) {
		if (c->ports[i].donor)
			continue;
		err = kernel_listen(c->ports[i].ks.socket, c->options.backlog);
		if (err)
			return refuse_port(c, i, err, extack);
		kproxy_sock_delay_acks(c->ports[i].ks.sk);
	}
	return 0;
}

/* For clients that come from now on; those that came have inherited it. */
static void listener_set_transparent(struct kproxy_listener *l, bool on)
{
	unsigned int i;

	for (i = 0; i < l->nr_ports; i++)
		inet_assign_bit(TRANSPARENT, l->ports[i].ks.sk, on);
	WRITE_ONCE(l->options.transparent, on);
}

static void listener_use_options(struct kproxy_listener *l,
				 const struct kproxy_listener_options *options)
{
	unsigned int i;

	/* listen() would do just this, but it would also revive a dead socket. */
	for (i = 0; i < l->nr_ports; i++)
		WRITE_ONCE(l->ports[i].ks.sk->sk_max_ack_backlog,
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

static void listener_swap_ports(struct kproxy_listener *l,
				struct kproxy_listener_port **ports,
				unsigned int *n)
{
	spin_lock(&l->lock);
	swap(l->ports, *ports);
	swap(l->nr_ports, *n);
	spin_unlock(&l->lock);
}

static void listener_publish_ports(struct listener_change *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++) {
		if (!c->ports[i].donor)
			continue;
		kproxy_port_take(&c->ports[i]);
		/* Who came meanwhile may yet call the donor. */
		c->change.grace = true;
	}
	listener_swap_ports(c->l, &c->ports, &c->nr_ports);
}

static void listener_publish(struct kproxy_change *change)
{
	struct listener_change *c = to_listener_change(change);
	struct kproxy_listener *l = c->l;
	bool fresh = c->ports;

	if (c->del)
		return;
	if (c->add)
		list_move_tail(&l->node, &l->kn->listeners);
	/* Its first client must be led by them. */
	if (c->add && c->staged)
		kproxy_route_publish(l);
	if (c->upstream != l->upstream)
		listener_use(l, c->upstream);
	if (fresh)
		listener_publish_ports(c);
	listener_use_options(l, &c->options);
	if (c->networks)
		c->spare = rcu_replace_pointer(l->options.prefixes, c->spare,
					       lockdep_is_held(&l->kn->lock));
	/* There may be room for clients that wait, also for their rate. */
	kproxy_ports_accept(l->ports, l->nr_ports, fresh);
	kproxy_net_changed(l->kn);
	kproxy_netlink_listener_event(l, c->add ? KPROXY_CMD_LISTENER_ADD_NTF :
						  KPROXY_CMD_LISTENER_SET_NTF);
}

/* The caller puts it. */
static void listener_unlink(struct kproxy_listener *l, bool kill)
{
	struct kproxy_listener_port *ports = NULL;
	unsigned int n = 0;

	list_del(&l->node);
	kproxy_route_unlink(l);
	listener_swap_ports(l, &ports, &n);
	kproxy_ports_close(ports, n);
	if (kill)
		kproxy_session_kill_listener(l);
	listener_use(l, NULL);
	kproxy_net_changed(l->kn);
}

static void listener_finish(struct kproxy_change *change, bool published)
{
	struct listener_change *c = to_listener_change(change);
	struct kproxy_listener *l = c->l;

	if (!published)
		change_unapply(c);
	if (published && change->grace)
		kproxy_ports_kick(l->ports, l->nr_ports);
	if (published && c->del) {
		kproxy_netlink_listener_event(l, KPROXY_CMD_LISTENER_DEL_NTF);
		listener_unlink(l, c->kill);
		kproxy_listener_put(l);
	}
	if (!published && c->add) {
		list_del(&l->node);
		kproxy_listener_put(l);
	}
	if (c->ports)
		kproxy_ports_close(c->ports, c->nr_ports);
	if (c->upstream)
		kproxy_upstream_put(c->upstream);
	kproxy_prefixes_free(c->spare);
	kproxy_listener_put(l);
	kfree(c);
}

static const struct kproxy_change_ops listener_change_ops = {
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
	c->staged = l->kn->staging;
	c->upstream = upstream;
	if (upstream)
		kproxy_upstream_hold(upstream);
	c->options = *options;
	c->networks = rcu_access_pointer(options->prefixes) !=
		      rcu_access_pointer(l->options.prefixes);
	c->spare = new_prefixes(l, options);
	kproxy_change_init(&c->change, &listener_change_ops, &l->change);
	return c;
}

/* Submit the change, and stage what it does to the upstreams' counts of users. */
static int listener_change_submit(struct listener_change *c,
				  struct netlink_ext_ack *extack)
{
	struct kproxy_listener *l = c->l;
	struct kproxy_upstream *next = c->upstream;
	struct kproxy_net *kn = l->kn;
	bool staging = kn->staging;
	int err;

	/* Outside a transaction this frees the change. */
	err = kproxy_change_submit(kn, &c->change, extack);
	if (err || !staging)
		return err;
	if (next)
		kproxy_upstream_stage(next, 1, 0);
	if (l->upstream)
		kproxy_upstream_stage(l->upstream, -1, 0);
	return 0;
}

/* Add new addresses to the change, if there are any, and submit it. */
static int listener_submit(struct listener_change *c,
			   const union kproxy_addr *addrs, unsigned int n,
			   struct netlink_ext_ack *extack, unsigned int *bad)
{
	struct kproxy_listener *l = c->l;
	int err = 0;

	if (n) {
		err = kproxy_quota_charge(l->quota, KPROXY_QUOTA_OBJECTS, n,
					  extack);
		if (err) {
			kproxy_change_cancel(l->kn, &c->change);
			return err;
		}
		c->ports = kproxy_ports_new(l, addrs, n);
		if (!c->ports)
			kproxy_quota_uncharge(l->quota, KPROXY_QUOTA_OBJECTS,
					      n);
		c->nr_ports = n;
		err = c->ports ?
			      kproxy_ports_bind(c->ports, n,
						c->options.transparent, bad) :
			      -ENOMEM;
	}
	c->bad = c->staged ? NULL : bad;
	if (!err)
		return listener_change_submit(c, extack);
	if (c->ports)
		listener_refusal(err, NULL, &addrs[*bad], extack);
	kproxy_change_cancel(l->kn, &c->change);
	return err;
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
	if (!kn->staging)
		return NULL;
	list_for_each_entry(l, &kn->new_listeners, node)
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
 * @options: its options; their list of networks is the listener's from here on,
 *	and freed when this fails
 * @extack: gets the reason of a refusal
 * @bad: which address was refused, when one was; untouched otherwise
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a name in use; -EDQUOT; -ENOMEM; what opening a socket says; of
 * a transaction also -ESTALE. After a failure nothing accepts.
 */
int kproxy_listener_add(struct kproxy_net *kn, const char *name,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack, unsigned int *bad)
{
	struct listener_change *c;
	struct kproxy_listener *l;
	int err = -ENOMEM;

	lockdep_assert_held(&kn->lock);
	if (kproxy_listener_find(kn, name)) {
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
	l = listener_new(kn, name);
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
	list_add_tail(&l->node, &kn->new_listeners);
	return listener_submit(c, addrs, nr_addrs, extack, bad);

err_prefixes:
	kproxy_prefixes_free(rcu_dereference_protected(options->prefixes, true));
	return err;
}

/**
 * kproxy_listener_set() - change a listener for sessions to come
 * @l: the listener, its namespace's lock held
 * @addrs: its addresses from now on, each different
 * @nr_addrs: how many, 0 to leave them as they are
 * @upstream: who gets the sessions
 * @options: its options from now on; a list of networks other than the one it
 *	has is the listener's from here on, and freed when this fails
 * @extack: gets the reason of a refusal
 * @bad: which address was refused, when one was; untouched otherwise
 *
 * An address that it has already keeps its socket.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; what opening a socket says; of a transaction also -EBUSY
 * when it is changed already, or -ESTALE. After a failure nothing has changed.
 */
int kproxy_listener_set(struct kproxy_listener *l,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack, unsigned int *bad)
{
	struct listener_change *c;

	lockdep_assert_held(&l->kn->lock);
	if (l->kn->staging && l->change) {
		kproxy_prefixes_free(new_prefixes(l, options));
		return kproxy_change_twice(extack);
	}
	c = listener_change_new(l, upstream, options);
	if (!c)
		return -ENOMEM;
	return listener_submit(c, addrs, nr_addrs, extack, bad);
}

/**
 * kproxy_listener_del() - stop accepting
 * @l: the listener, its namespace's lock held; the caller's no more
 * @kill: reset its live sessions, which go on otherwise
 * @extack: gets the reason of a refusal
 *
 * Context: process, sleeps until its accept work is done.
 * Return: 0; -ENOMEM; of a transaction also -EBUSY when it is changed already, or
 * -ESTALE.
 */
int kproxy_listener_del(struct kproxy_listener *l, bool kill,
			struct netlink_ext_ack *extack)
{
	struct kproxy_net *kn = l->kn;
	struct listener_change *c;
	bool staging;
	int err;

	lockdep_assert_held(&kn->lock);
	if (kn->staging && (l->change || l->route_change))
		return kproxy_change_twice(extack);
	c = listener_change_new(l, NULL, &l->options);
	if (!c)
		return -ENOMEM;
	c->del = true;
	c->kill = kill;
	staging = kn->staging;
	err = listener_change_submit(c, extack);
	if (!err && staging)
		kproxy_route_stage_gone(l);
	return err;
}

/**
 * kproxy_listener_drain() - stop accepting, and end its sessions bit by bit
 * @l: the listener, its namespace's lock held; the caller's no more
 * @rate: sessions a second, 0 for as many as the deadline needs
 * @deadline: when all are ended, in milliseconds, 0 for never; not both
 *
 * Context: process, sleeps until its accept work is done.
 */
void kproxy_listener_drain(struct kproxy_listener *l, unsigned int rate,
			   unsigned int deadline)
{
	lockdep_assert_held(&l->kn->lock);
	kproxy_netlink_listener_event(l, KPROXY_CMD_LISTENER_DEL_NTF);
	listener_unlink(l, false);
	kproxy_drain_start(l, rate, deadline);
}

/**
 * kproxy_listener_del_all() - remove every listener of a namespace
 * @kn: the namespace's root, its lock held
 */
void kproxy_listener_del_all(struct kproxy_net *kn)
{
	struct kproxy_listener *l, *next;

	list_for_each_entry_safe(l, next, &kn->listeners, node) {
		listener_unlink(l, false);
		kproxy_listener_put(l);
		cond_resched();
	}
}

static bool listener_tell_death(struct kproxy_listener *l)
{
	bool died = false;
	unsigned int i;

	for (i = 0; i < l->nr_ports; i++) {
		struct kproxy_listener_port *port = &l->ports[i];

		if (port->death_told || !kproxy_port_dead(port))
			continue;
		WRITE_ONCE(port->death_told, true);
		died = true;
	}
	return died;
}

static void deaths_work(struct work_struct *work)
{
	struct kproxy_net *kn = container_of(work, struct kproxy_net, deaths);
	struct kproxy_listener *l;

	mutex_lock(&kn->lock);
	list_for_each_entry(l, &kn->listeners, node)
		if (listener_tell_death(l))
			kproxy_netlink_listener_event(l,
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

/**
 * kproxy_listener_port_died() - announce that a port's socket is dead
 * @port: the port, whose accept work calls this
 *
 * Another work does it, because the accept work is waited for under the
 * configuration lock, which the event needs.
 *
 * Context: process.
 */
void kproxy_listener_port_died(const struct kproxy_listener_port *port)
{
	if (!READ_ONCE(port->death_told))
		queue_work(kproxy_wq, &port->listener->kn->deaths);
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
	kproxy_quota_uncharge(l->quota, KPROXY_QUOTA_OBJECTS, 1);
	kproxy_quota_put(l->quota);
	kproxy_stats_free(l->stats);
	kproxy_prefixes_free(rcu_dereference_protected(l->options.prefixes,
						       true));
	kproxy_routes_free(rcu_dereference_protected(l->routes, true));
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
	kproxy_stats_inc(l->kn->stats, KPROXY_A_COUNTERS_REFUSED);
	kproxy_stats_inc(l->stats, KPROXY_A_COUNTERS_REFUSED);
}

/**
 * kproxy_listener_session_ended() - one session less: accept who waits for it
 * @l: the listener, held or accepting; the session was counted when its client was
 *	accepted, and may never have begun
 *
 * Context: process.
 */
void kproxy_listener_session_ended(struct kproxy_listener *l)
{
	atomic_dec(&l->sessions);
	/* Pairs with the work's start: it sees this count, or we its limit. */
	smp_mb__after_atomic();
	if (!READ_ONCE(l->options.maxconn))
		return;
	spin_lock(&l->lock);
	kproxy_ports_kick(l->ports, l->nr_ports);
	spin_unlock(&l->lock);
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

/**
 * kproxy_listener_goes() - will a transaction delete a listener
 * @l: the listener, its namespace's lock held by who has the transaction
 *
 * Return: whether it will.
 */
bool kproxy_listener_goes(const struct kproxy_listener *l)
{
	lockdep_assert_held(&l->kn->lock);
	return l->change && to_listener_change(l->change)->del;
}
