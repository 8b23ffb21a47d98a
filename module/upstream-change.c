// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of upstreams. All changes of an upstream and its servers
 * (server-change.c) in a view are one change, so that sessions see all of it or
 * nothing.
 * The balancers are built in prepare(), because publishing must not need
 * memory.
 *
 * The listeners and routes that lead to an upstream are counted before any
 * change is prepared, so that checking whether it may be deleted is cheap.
 */
#include <linux/err.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "check-text.h"
#include "choice-pick.h"
#include "events.h"
#include "fault.h"
#include "listener.h"
#include "quota.h"
#include "root.h"
#include "route.h"
#include "server.h"
#include "server-change.h"
#include "session-table.h"
#include "transaction.h"
#include "upstream.h"
#include "upstream-change.h"

static struct kproxy_upstream_change *to_upstream_change(struct kproxy_change *change)
{
	return container_of(change, struct kproxy_upstream_change, change);
}

/**
 * kproxy_upstream_change_of() - the change of an upstream in a view
 * @up: the upstream, its namespace's lock held
 * @view: the view, or NULL
 *
 * Return: the change, or NULL if there is none.
 */
struct kproxy_upstream_change *
kproxy_upstream_change_of(const struct kproxy_upstream *up,
			  const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&up->obj.states, view);

	return next ? container_of(next, struct kproxy_upstream_change, next) :
		      NULL;
}

/* What begins again with other options. */
static u32 upstream_restart(const struct kproxy_upstream_options *from,
			    const struct kproxy_upstream_options *to)
{
	u32 restart = kproxy_options_restart(kproxy_upstream_numbers, from, to);

	if (kproxy_sockopts_differ(&from->sockopts, &to->sockopts) ||
	    memcmp(&from->source, &to->source, sizeof(to->source)))
		restart |= KPROXY_RESTART_CONNECTIONS;
	if (!kproxy_check_text_equal(from->check_text, to->check_text))
		restart |= KPROXY_RESTART_CHECKS;
	return restart;
}

/* The servers are looked after as the options say now. */
static void upstream_apply(const struct kproxy_upstream_change *c)
{
	struct kproxy_upstream *up = c->up;
	struct kproxy_server *server;

	list_for_each_entry(server, &up->servers, node) {
		cond_resched();
		if (!server->states.now)
			continue;
		if (c->connections && c->restart & KPROXY_RESTART_CONNECTIONS)
			kproxy_preconnect_replace_all(server);
		else if (c->connections)
			kproxy_preconnect_apply(server);
		if (c->restart & KPROXY_RESTART_CHECKS)
			kproxy_check_apply(server);
		if (!up->options.eject)
			kproxy_health_forgive(server);
	}
}

static void upstream_unlink(struct kproxy_upstream *up)
{
	struct kproxy_server *server, *next;

	list_for_each_entry_safe(server, next, &up->servers, node) {
		/* Staged by a transaction, which is stale now and drops it. */
		if (!server->states.now)
			continue;
		mutex_lock(&up->choice.lock);
		kproxy_server_unlink(server);
		mutex_unlock(&up->choice.lock);
		kproxy_server_stop(server);
		kproxy_server_put(server);
		cond_resched();
	}
	kproxy_upstream_uncharge(up);
	kproxy_choice_destroy(&up->choice);
	kproxy_object_unlink(&up->obj);
	kproxy_upstream_put(up);
}

/* It may be deleted when neither a listener nor a route leads to it. */
static int upstream_check_unused(const struct kproxy_upstream *up,
				 const struct kproxy_view *view,
				 struct netlink_ext_ack *extack)
{
	const struct kproxy_listener *l;

	if (up->users) {
		NL_SET_ERR_MSG_FMT(extack, "%u listener%s still use%s it",
				   up->users, up->users > 1 ? "s" : "",
				   up->users > 1 ? "" : "s");
		return -EBUSY;
	}
	if (!up->routes)
		return 0;
	l = kproxy_route_user(up, view);
	if (!WARN_ON_ONCE(!l))
		NL_SET_ERR_MSG_FMT(extack,
				   "a route of listener \"%s\" still uses it",
				   l->obj.name);
	return -EBUSY;
}

static int upstream_prepare(struct kproxy_change *change,
			    struct netlink_ext_ack *extack)
{
	struct kproxy_upstream_change *c = to_upstream_change(change);
	const struct kproxy_view *view = change->next->view;
	const struct kproxy_upstream_options *options;
	struct kproxy_upstream *up = c->up;
	struct kproxy_tiers *tiers;
	bool servers;
	int err = 0;

	if (change->next->gone)
		return upstream_check_unused(up, view, extack);
	options = c->set ? &c->options : &up->options;
	servers = up->nr_servers + c->more > 0;
	/* Without a server, a queue would only cost its memory. */
	if (servers && options->check != KPROXY_CHECK_OFF)
		err = kproxy_check_open(up->obj.kn);
	if (!err && servers && options->preconnect)
		err = kproxy_preconnect_open(up->obj.kn);
	if (!err)
		err = kproxy_upstream_charge(up, options, c->more, &c->charge,
					     extack);
	if (err)
		return err;
	/* Many single requests in a row are built together, after the last. */
	if (view->single)
		return 0;
	tiers = kproxy_choice_prepare(&up->choice, options, view);
	if (IS_ERR(tiers))
		return PTR_ERR(tiers);
	c->tiers = tiers;
	c->built = true;
	return 0;
}

/* At once: it must not seem to be without servers in between. */
static void servers_publish(struct kproxy_upstream_change *c)
{
	struct kproxy_choice *choice = &c->up->choice;
	struct kproxy_server_change *sc;

	mutex_lock(&choice->lock);
	if (c->set) {
		kproxy_options_publish(kproxy_upstream_numbers, &c->up->options,
				       &c->options);
		if (c->options.failback)
			kproxy_choice_restore(choice, 0);
	}
	list_for_each_entry(sc, &c->servers, node)
		kproxy_server_change_publish(sc);
	if (c->built)
		kproxy_choice_replace(choice, c->tiers);
	else if (!c->add)
		kproxy_choice_changed(choice);
	c->tiers = NULL;
	mutex_unlock(&choice->lock);
	/* There may be room now for sessions that wait. */
	kproxy_queue_wake(&choice->queue);
}

static void upstream_notify(const struct kproxy_upstream_change *c)
{
	const struct kproxy_server_change *sc;

	if (c->add)
		kproxy_events->upstream(c->up, KPROXY_CMD_UPSTREAM_ADD_NTF);
	if (c->set)
		kproxy_events->upstream(c->up, KPROXY_CMD_UPSTREAM_SET_NTF);
	list_for_each_entry(sc, &c->servers, node) {
		kproxy_server_change_notify(sc);
		cond_resched();
	}
}

static void upstream_publish(struct kproxy_change *change)
{
	struct kproxy_upstream_change *c = to_upstream_change(change);
	struct kproxy_upstream *up = c->up;

	if (change->next->gone)
		return;
	up->obj.states.now = true;
	if (c->set)
		c->restart = upstream_restart(&up->options, &c->options);
	c->connections = c->set && (up->options.preconnect ||
				    c->options.preconnect);
	servers_publish(c);
	if (c->set) {
		kproxy_upstream_set_sockopts(up, &c->options.sockopts);
		kproxy_upstream_set_source(up, &c->options.source);
		kproxy_upstream_swap_check_text(up, &c->options.check_text);
	}
	upstream_notify(c);
}

static void upstream_finish(struct kproxy_change *change, bool published)
{
	struct kproxy_upstream_change *c = to_upstream_change(change);
	struct kproxy_server_change *sc, *next;

	list_for_each_entry_safe(sc, next, &c->servers, node) {
		c->down |= kproxy_server_change_takes_down(sc);
		kproxy_server_change_finish(sc, published);
		cond_resched();
	}
	if (published && c->down) {
		/* A session that the walk misses sees the new state. */
		smp_mb();
		kproxy_fault_point(KPROXY_POINT_SERVER_DOWN);
		kproxy_session_kill_down(c->up);
	}
	if (published && c->set)
		upstream_apply(c);
	kproxy_upstream_settle(c->up, &c->charge, published);
	if (published ? change->next->gone : c->add)
		upstream_unlink(c->up);
	if (published && change->next->gone)
		kproxy_events->upstream(c->up, KPROXY_CMD_UPSTREAM_DEL_NTF);
	kproxy_choice_forget(c->tiers);
	kproxy_check_text_put(c->options.check_text);
	kproxy_upstream_put(c->up);
	kfree(c);
}

static const struct kproxy_change_ops upstream_change_ops = {
	.prepare = upstream_prepare,
	.publish = upstream_publish,
	.finish = upstream_finish,
};

/**
 * kproxy_upstream_change_get() - the change that a request is a part of
 * @view: the view
 * @up: the upstream, in the view, its namespace's lock held
 *
 * Context: process, may sleep.
 * Return: the change, which is made if there is none; NULL when there is no
 * memory.
 */
struct kproxy_upstream_change *
kproxy_upstream_change_get(struct kproxy_view *view, struct kproxy_upstream *up)
{
	struct kproxy_upstream_change *c = kproxy_upstream_change_of(up, view);

	if (c)
		return c;
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return NULL;
	c->up = up;
	kproxy_upstream_hold(up);
	INIT_LIST_HEAD(&c->servers);
	c->change = (struct kproxy_change){
		.ops = &upstream_change_ops,
		.obj = &up->obj,
		.states = &up->obj.states,
		.next = &c->next,
	};
	kproxy_change_stage(&c->change, view);
	return c;
}

/* The same for a request that changes the upstream itself: only one in a view. */
static struct kproxy_upstream_change *
upstream_change_first(struct kproxy_view *view, struct kproxy_upstream *up,
		      struct netlink_ext_ack *extack)
{
	struct kproxy_upstream_change *c;

	lockdep_assert_held(&up->obj.kn->lock);
	c = kproxy_upstream_change_get(view, up);
	if (!c)
		return ERR_PTR(-ENOMEM);
	if (c->add || c->set || c->next.gone)
		return ERR_PTR(kproxy_change_twice(extack));
	return c;
}

/**
 * kproxy_upstream_add() - make an upstream without servers
 * @view: the view to add it to, the lock of its namespace's configuration held;
 *	that has kproxy_net_setup()
 * @name: a valid name
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a name in use; -EDQUOT; -ENOMEM; what
 * kproxy_owner_new() says of a task that may not make sockets.
 */
int kproxy_upstream_add(struct kproxy_view *view, const char *name,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack)
{
	struct kproxy_net *kn = view->kn;
	struct kproxy_upstream_change *c;
	struct kproxy_upstream *up;
	int err;

	lockdep_assert_held(&kn->lock);
	if (kproxy_upstream_find(kn, name, view)) {
		NL_SET_ERR_MSG(extack, "an upstream of this name exists");
		return -EEXIST;
	}
	err = kproxy_quota_charge(kn->quota, KPROXY_QUOTA_OBJECTS, 1, extack);
	if (err)
		return err;
	up = kproxy_upstream_new(kn, name, options);
	if (IS_ERR(up)) {
		kproxy_quota_uncharge(kn->quota, KPROXY_QUOTA_OBJECTS, 1);
		err = PTR_ERR(up);
		if (err == -EPERM || err == -EACCES)
			NL_SET_ERR_MSG(extack, "not permitted to create TCP sockets");
		return err;
	}
	kproxy_choice_init(&up->choice);
	c = kproxy_upstream_change_get(view, up);
	if (!c) {
		kproxy_upstream_put(up);
		return -ENOMEM;
	}
	c->add = true;
	kproxy_object_link(&up->obj, &kn->upstreams);
	return 0;
}

/**
 * kproxy_upstream_set() - change an upstream for sessions to come
 * @view: the view to change it in
 * @up: the upstream, found there, its namespace's lock held
 * @options: its options from then on
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has a change of it already.
 */
int kproxy_upstream_set(struct kproxy_view *view, struct kproxy_upstream *up,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack)
{
	struct kproxy_upstream_change *c;

	c = upstream_change_first(view, up, extack);
	if (IS_ERR(c))
		return PTR_ERR(c);
	c->set = true;
	c->options = *options;
	kproxy_check_text_hold(c->options.check_text);
	return 0;
}

/**
 * kproxy_upstream_del() - remove an upstream and its servers
 * @view: the view to remove it from
 * @up: the upstream, found there, its namespace's lock held
 * @extack: gets the reason of a refusal
 *
 * Listeners and routes are asked when the view is committed: -EBUSY while one
 * of them leads to it.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has a change of it already.
 */
int kproxy_upstream_del(struct kproxy_view *view, struct kproxy_upstream *up,
			struct netlink_ext_ack *extack)
{
	struct kproxy_upstream_change *c;

	c = upstream_change_first(view, up, extack);
	if (IS_ERR(c))
		return PTR_ERR(c);
	if (!list_empty(&c->servers))
		return kproxy_change_twice(extack);
	c->next.gone = true;
	return 0;
}

/**
 * kproxy_upstream_del_all() - remove every upstream of a namespace
 * @kn: the namespace's root, its lock held, without listeners; nothing is
 *	staged
 */
void kproxy_upstream_del_all(struct kproxy_net *kn)
{
	struct kproxy_upstream *up, *next;

	list_for_each_entry_safe(up, next, &kn->upstreams, obj.node)
		upstream_unlink(up);
}

/**
 * kproxy_upstream_stop_all() - connect to servers no more but for sessions
 * @kn: the namespace's root, its lock held; it is at its end, and nothing is
 *	staged
 *
 * Context: process, may sleep.
 */
void kproxy_upstream_stop_all(struct kproxy_net *kn)
{
	struct kproxy_server *server;
	struct kproxy_upstream *up;

	list_for_each_entry(up, &kn->upstreams, obj.node) {
		list_for_each_entry(server, &up->servers, node) {
			kproxy_check_stop(server);
			kproxy_preconnect_stop(server);
		}
	}
}
