// SPDX-License-Identifier: GPL-2.0
/* Changes of listeners: their options, addresses and upstream. */
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
#include "listener-exchange.h"
#include "listen-sock.h"
#include "log.h"
#include "quota.h"
#include "root.h"
#include "route.h"
#include "route-change.h"
#include "session-table.h"
#include "shared.h"
#include "transaction.h"
#include "upstream.h"

static struct kproxy_listener_change *
to_listener_change(struct kproxy_change *change)
{
	return container_of(change, struct kproxy_listener_change, change);
}

static void listener_use(struct kproxy_listener *l, struct kproxy_upstream *up)
{
	struct kproxy_upstream *old = kproxy_listener_configured_upstream(l);

	if (up)
		kproxy_upstream_hold(up);
	rcu_assign_pointer(l->upstream, up);
	if (old)
		kproxy_upstream_put(old);
}

/* Count the user of the current upstream. */
static void listener_count_now(const struct kproxy_listener *l, int one)
{
	struct kproxy_upstream *up = kproxy_listener_configured_upstream(l);

	if (up)
		up->users += one;
}

static void listener_count_routes(const struct kproxy_listener *l, int one)
{
	kproxy_routes_count(rcu_dereference_protected(l->routes, true), one);
}

static void listener_count(struct kproxy_change *change, int one)
{
	const struct kproxy_listener_change *c = to_listener_change(change);

	if (c->upstream)
		c->upstream->users += one;
	listener_count_now(c->l, -one);
	if (c->next.gone)
		listener_count_routes(c->l, -one);
}

static int listener_prepare(struct kproxy_change *change,
			    struct netlink_ext_ack *extack)
{
	struct kproxy_listener_change *c = to_listener_change(change);

	return c->next.gone ? 0 : kproxy_exchange_prepare(c, extack);
}

static void listener_use_options(struct kproxy_listener *l,
				 const struct kproxy_listener_options *options)
{
	unsigned int i;

	for (i = 0; i < l->nr_lsocks; i++) {
		struct sock *sk = l->lsocks[i].ks.sk;

		/* listen() would also revive a dead socket. */
		WRITE_ONCE(sk->sk_max_ack_backlog, options->backlog);
		/* Accepted sockets inherit it: those of later clients. */
		inet_assign_bit(TRANSPARENT, sk, options->transparent);
	}
	kproxy_options_publish(kproxy_listener_numbers, &l->options, options);
	/* The sockets have them since this was prepared. */
	l->options.sockopts = options->sockopts;
}

static void listener_publish(struct kproxy_change *change)
{
	struct kproxy_listener_change *c = to_listener_change(change);
	struct kproxy_listener *l = c->l;
	bool fresh = c->lsocks;

	if (c->next.gone)
		return;
	l->obj.states.now = true;
	/* Its first client must be led by them. */
	if (c->add)
		kproxy_route_publish(l, c->next.view);
	if (c->upstream != kproxy_listener_configured_upstream(l))
		listener_use(l, c->upstream);
	if (fresh)
		kproxy_exchange_publish(c);
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
	kproxy_exchange_swap(l, &lsocks, &n);
	kproxy_lsocks_close(lsocks, n);
	if (kill)
		kproxy_session_kill_listener(l);
	listener_use(l, NULL);
}

static void listener_change_free(struct kproxy_listener_change *c)
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
	struct kproxy_listener_change *c = to_listener_change(change);
	struct kproxy_listener *l = c->l;

	if (!published)
		kproxy_exchange_undo(c);
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
static struct kproxy_listener_change *
listener_change_new(struct kproxy_listener *l, struct kproxy_upstream *upstream,
		    const struct kproxy_listener_options *options)
{
	struct kproxy_listener_change *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

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

static void listener_stage(struct kproxy_listener_change *c, struct kproxy_view *view)
{
	c->change = (struct kproxy_change){
		.ops = &listener_change_ops,
		.obj = &c->l->obj,
		.states = &c->l->obj.states,
		.next = &c->next,
	};
	kproxy_change_stage(&c->change, view);
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
	struct kproxy_listener_change *c;
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
	err = kproxy_exchange_new(c, view, addrs, nr_addrs, extack);
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
	struct kproxy_listener_change *c;
	int err = 0;

	lockdep_assert_held(&l->obj.kn->lock);
	if (kproxy_listener_change_of(l, view)) {
		kproxy_prefixes_free(new_prefixes(l, options));
		return kproxy_change_twice(extack);
	}
	c = listener_change_new(l, upstream, options);
	if (!c)
		return -ENOMEM;
	if (nr_addrs)
		err = kproxy_exchange_new(c, view, addrs, nr_addrs, extack);
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
	struct kproxy_listener_change *c;

	lockdep_assert_held(&l->obj.kn->lock);
	if (kproxy_listener_change_of(l, view) || kproxy_next(&l->route_states, view))
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
