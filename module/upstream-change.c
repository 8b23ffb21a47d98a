// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of upstreams and their servers. All changes of an upstream and its
 * servers in a view are one change, so that sessions see all of it or nothing.
 * The balancers are built in prepare(), because publishing must not need
 * memory.
 *
 * The listeners and routes that lead to an upstream are counted before any
 * change is prepared, so that checking whether it may be deleted is cheap.
 */
#include <linux/cpumask.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "check-text.h"
#include "events.h"
#include "fault.h"
#include "listener.h"
#include "quota.h"
#include "root.h"
#include "route.h"
#include "server.h"
#include "session-table.h"
#include "transaction.h"
#include "upstream.h"
#include "upstream-change.h"

enum server_fate {
	SERVER_ADD,
	SERVER_SET,
	SERVER_DEL,
};

/* What becomes of a server, which is held. */
struct server_change {
	struct list_head node;
	struct kproxy_server *server;
	enum server_fate fate;
	/* its health is set in another way */
	bool health;
	struct kproxy_server_next next;
};

/* What becomes of an upstream, which is held. */
struct upstream_change {
	struct kproxy_change change;
	struct kproxy_next next;
	struct kproxy_upstream *up;
	bool add;
	bool set;
	/* whether servers are checked in another way */
	bool checks;
	/* whether connections are made ahead, and whether in another way */
	bool connections;
	bool flush;
	/* a server was taken down */
	bool down;
	/* what it was charged for by this */
	u64 more_connections;
	u64 more_checks;
	struct kproxy_upstream_options options;
	struct list_head servers;
	/* how many more it will have */
	int more;
	/* @tiers are what sessions will choose from */
	bool built;
	struct kproxy_tiers *tiers;
};

static struct upstream_change *to_upstream_change(struct kproxy_change *change)
{
	return container_of(change, struct upstream_change, change);
}

/* The change of a view, if there is one. */
static struct upstream_change *
upstream_change_of(const struct kproxy_upstream *up,
		   const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&up->obj.states, view);

	return next ? container_of(next, struct upstream_change, next) :
		      NULL;
}

static void upstream_use(struct kproxy_upstream *up,
			 const struct kproxy_upstream_options *options)
{
	lockdep_assert_held(&up->choice.lock);
	WRITE_ONCE(up->options.balance, options->balance);
	WRITE_ONCE(up->options.retries, options->retries);
	WRITE_ONCE(up->options.eject, options->eject);
	WRITE_ONCE(up->options.eject_time, options->eject_time);
	WRITE_ONCE(up->options.check, options->check);
	WRITE_ONCE(up->options.interval, options->interval);
	WRITE_ONCE(up->options.timeout, options->timeout);
	WRITE_ONCE(up->options.rise, options->rise);
	WRITE_ONCE(up->options.fall, options->fall);
	WRITE_ONCE(up->options.check_port, options->check_port);
	WRITE_ONCE(up->options.failback, options->failback);
	WRITE_ONCE(up->options.on_down, options->on_down);
	WRITE_ONCE(up->options.slow_start, options->slow_start);
	WRITE_ONCE(up->options.fail_open, options->fail_open);
	WRITE_ONCE(up->options.send_proxy, options->send_proxy);
	WRITE_ONCE(up->options.preconnect, options->preconnect);
}

/* Whether sockets are to be made in another way than until now. */
static bool
upstream_connects_otherwise(const struct kproxy_upstream *up,
			    const struct kproxy_upstream_options *options)
{
	return kproxy_sockopts_differ(&up->options.sockopts,
				      &options->sockopts) ||
	       memcmp(&up->options.source, &options->source,
		      sizeof(options->source));
}

/* Whether servers are to be checked in another way than until now. */
static bool
upstream_checks_otherwise(const struct kproxy_upstream *up,
			  const struct kproxy_upstream_options *options)
{
	return up->options.check != options->check ||
	       up->options.interval != options->interval ||
	       up->options.check_port != options->check_port ||
	       !kproxy_check_text_equal(up->options.check_text,
					options->check_text);
}

/* The servers are looked after as the options say now. */
static void upstream_apply(const struct upstream_change *c)
{
	struct kproxy_upstream *up = c->up;
	struct kproxy_server *server;

	list_for_each_entry(server, &up->servers, node) {
		cond_resched();
		if (!server->states.now)
			continue;
		if (c->connections && c->flush)
			kproxy_preconnect_replace_all(server);
		else if (c->connections)
			kproxy_preconnect_apply(server);
		if (c->checks)
			kproxy_check_apply(server);
		if (!up->options.eject)
			kproxy_health_forgive(server);
	}
}

static void server_appear(struct kproxy_server *server)
{
	lockdep_assert_held(&server->upstream->choice.lock);
	server->states.now = true;
	server->upstream->nr_servers++;
}

static void server_use(struct kproxy_server *server,
		       const struct kproxy_server_options *options)
{
	lockdep_assert_held(&server->upstream->choice.lock);
	WRITE_ONCE(server->options.weight, options->weight);
	WRITE_ONCE(server->options.state, options->state);
	WRITE_ONCE(server->options.maxconn, options->maxconn);
	WRITE_ONCE(server->options.backup, options->backup);
	WRITE_ONCE(server->options.priority, options->priority);
	WRITE_ONCE(server->options.health, options->health);
	strscpy(server->options.name, options->name);
}

static void server_stop(struct kproxy_server *server)
{
	kproxy_check_stop(server);
	kproxy_fault_point(KPROXY_POINT_SERVER_DEL);
	kproxy_health_stop(server);
	kproxy_preconnect_stop(server);
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
		server_stop(server);
		kproxy_server_put(server);
		cond_resched();
	}
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CONNECTIONS,
			      up->connections);
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CHECKS, up->checks);
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
				   "a route of listener \"%s\" still leads to it",
				   l->obj.name);
	return -EBUSY;
}

/* What an upstream needs of the limits of its namespace. */
static void upstream_needs(const struct kproxy_upstream_options *options,
			   unsigned int servers, u64 *connections, u64 *checks)
{
	*connections = (u64)options->preconnect * servers * num_online_cpus();
	*checks = 0;
	if (options->check != KPROXY_CHECK_OFF)
		*checks = DIV_ROUND_UP_ULL(1000ULL * MSEC_PER_SEC * servers,
					   options->interval);
}

/* Charge what it will need in addition; upstream_settle() uncharges the rest. */
static int upstream_charge(struct upstream_change *c,
			   const struct kproxy_upstream_options *options,
			   struct netlink_ext_ack *extack)
{
	struct kproxy_upstream *up = c->up;
	u64 connections, checks;
	int err;

	if (!up->obj.quota)
		return 0;
	upstream_needs(options, up->nr_servers + c->more, &connections,
		       &checks);
	/* A change that asks for no more is not refused because CPUs came online. */
	if (connections > up->connections &&
	    (c->more > 0 || options->preconnect > up->options.preconnect)) {
		connections -= up->connections;
		err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_CONNECTIONS,
					  connections, extack);
		if (err)
			return err;
		c->more_connections = connections;
	}
	if (checks > up->checks) {
		checks -= up->checks;
		err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_CHECKS,
					  checks, extack);
		if (err)
			return err;
		c->more_checks = checks;
	}
	return 0;
}

/* Uncharge what the change did not need, or what it has freed. */
static void upstream_settle(struct upstream_change *c, bool published)
{
	struct kproxy_upstream *up = c->up;
	u64 connections = up->connections, checks = up->checks;

	if (!up->obj.quota)
		return;
	if (published)
		upstream_needs(&up->options, up->nr_servers, &connections,
			       &checks);
	/* A CPU that came online meanwhile is not charged for. */
	connections = min(connections, up->connections + c->more_connections);
	checks = min(checks, up->checks + c->more_checks);
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CONNECTIONS,
			      up->connections + c->more_connections -
			      connections);
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CHECKS,
			      up->checks + c->more_checks - checks);
	up->connections = connections;
	up->checks = checks;
}

static int upstream_prepare(struct kproxy_change *change,
			    struct netlink_ext_ack *extack)
{
	struct upstream_change *c = to_upstream_change(change);
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
		err = upstream_charge(c, options, extack);
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

/* What changes of the choice of servers when the options of one do. */
static void server_set(struct server_change *sc)
{
	const struct kproxy_server_options *options = &sc->next.options;
	struct kproxy_server *server = sc->server;
	bool usable = kproxy_server_usable(server);

	sc->health = server->options.health != options->health;
	server_use(server, options);
	if (!usable && kproxy_server_usable(server))
		kproxy_choice_came_back(server);
	if (options->restore)
		kproxy_choice_restore(&server->upstream->choice,
				      kproxy_server_priority(options));
}

static void server_publish(struct server_change *sc)
{
	switch (sc->fate) {
	case SERVER_ADD:
		server_appear(sc->server);
		break;
	case SERVER_SET:
		server_set(sc);
		break;
	case SERVER_DEL:
		kproxy_server_unlink(sc->server);
		break;
	}
}

/* At once: it must not seem to be without servers in between. */
static void servers_publish(struct upstream_change *c)
{
	struct kproxy_choice *choice = &c->up->choice;
	struct server_change *sc;

	mutex_lock(&choice->lock);
	if (c->set) {
		upstream_use(c->up, &c->options);
		if (c->options.failback)
			kproxy_choice_restore(choice, 0);
	}
	list_for_each_entry(sc, &c->servers, node)
		server_publish(sc);
	if (c->built)
		kproxy_choice_replace(choice, c->tiers);
	else if (!c->add)
		kproxy_choice_changed(choice);
	c->tiers = NULL;
	mutex_unlock(&choice->lock);
	/* There may be room now for sessions that wait. */
	kproxy_queue_wake(&choice->queue);
}

static void upstream_notify(const struct upstream_change *c)
{
	static const u8 events[] = {
		[SERVER_ADD] = KPROXY_CMD_SERVER_ADD_NTF,
		[SERVER_SET] = KPROXY_CMD_SERVER_SET_NTF,
		[SERVER_DEL] = KPROXY_CMD_SERVER_DEL_NTF,
	};
	const struct server_change *sc;

	if (c->add)
		kproxy_events->upstream(c->up, KPROXY_CMD_UPSTREAM_ADD_NTF);
	if (c->set)
		kproxy_events->upstream(c->up, KPROXY_CMD_UPSTREAM_SET_NTF);
	list_for_each_entry(sc, &c->servers, node) {
		kproxy_events->server(sc->server, events[sc->fate]);
		cond_resched();
	}
}

static void upstream_publish(struct kproxy_change *change)
{
	struct upstream_change *c = to_upstream_change(change);
	struct kproxy_upstream *up = c->up;

	if (change->next->gone)
		return;
	up->obj.states.now = true;
	c->checks = c->set && upstream_checks_otherwise(up, &c->options);
	c->connections = c->set && (up->options.preconnect ||
				    c->options.preconnect);
	c->flush = c->set && upstream_connects_otherwise(up, &c->options);
	servers_publish(c);
	if (c->set) {
		kproxy_upstream_set_sockopts(up, &c->options.sockopts);
		kproxy_upstream_set_source(up, &c->options.source);
		kproxy_upstream_swap_check_text(up, &c->options.check_text);
	}
	upstream_notify(c);
}

/* The health of a server was set, or is left to checks again. */
static void server_health_set(struct kproxy_server *server)
{
	kproxy_health_changed(server);
	if (server->upstream->options.on_down == KPROXY_ON_DOWN_RESET &&
	    kproxy_server_is_down(server))
		kproxy_events->server_down(server);
}

/* Apply the consequences of a published change. */
static void server_settle(struct server_change *sc)
{
	struct kproxy_server *server = sc->server;

	switch (sc->fate) {
	case SERVER_ADD:
		kproxy_check_apply(server);
		if (server->upstream->options.preconnect)
			kproxy_preconnect_apply(server);
		break;
	case SERVER_SET:
		if (server->upstream->options.preconnect)
			kproxy_preconnect_apply(server);
		if (sc->health)
			server_health_set(server);
		break;
	case SERVER_DEL:
		server_stop(server);
		break;
	}
}

/* The server was never current. */
static void server_withdraw(struct kproxy_server *server)
{
	struct kproxy_choice *choice = &server->upstream->choice;

	mutex_lock(&choice->lock);
	kproxy_server_unlink(server);
	mutex_unlock(&choice->lock);
}

static void server_finish(struct server_change *sc, bool published)
{
	struct kproxy_server *server = sc->server;

	kproxy_next_del(&server->states, &sc->next.next);
	if (published)
		server_settle(sc);
	else if (sc->fate == SERVER_ADD)
		server_withdraw(server);
	/* What the upstream has of it, or would have had. */
	if (sc->fate == (published ? SERVER_DEL : SERVER_ADD))
		kproxy_server_put(server);
	kproxy_server_put(server);
	kfree(sc);
}

static void upstream_finish(struct kproxy_change *change, bool published)
{
	struct upstream_change *c = to_upstream_change(change);
	struct server_change *sc, *next;

	list_for_each_entry_safe(sc, next, &c->servers, node) {
		c->down |= sc->fate == SERVER_SET &&
			   sc->next.options.state == KPROXY_SERVER_STATE_DOWN;
		server_finish(sc, published);
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
	upstream_settle(c, published);
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

/* The change that a request is a part of, or NULL when there is no memory. */
static struct upstream_change *upstream_change_get(struct kproxy_view *view,
						   struct kproxy_upstream *up)
{
	struct upstream_change *c = upstream_change_of(up, view);

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

/* What the caller has of a new server is the change's, then the upstream's. */
static int server_stage(struct kproxy_view *view, struct kproxy_server *server,
			enum server_fate fate,
			const struct kproxy_server_options *options)
{
	struct upstream_change *c;
	struct server_change *sc;

	sc = kzalloc(sizeof(*sc), GFP_KERNEL_ACCOUNT);
	if (!sc)
		return -ENOMEM;
	c = upstream_change_get(view, server->upstream);
	if (!c) {
		kfree(sc);
		return -ENOMEM;
	}
	sc->server = server;
	kproxy_server_hold(server);
	sc->fate = fate;
	sc->next.options = *options;
	sc->next.next.gone = fate == SERVER_DEL;
	kproxy_next_add(&server->states, &sc->next.next, view);
	list_add_tail(&sc->node, &c->servers);
	if (fate == SERVER_ADD)
		kproxy_server_link(server);
	c->more += (fate == SERVER_ADD) - (fate == SERVER_DEL);
	return 0;
}

/* Whether the view has a change of it already. */
static bool server_twice(const struct kproxy_server *server,
			 const struct kproxy_view *view)
{
	const struct upstream_change *c =
		upstream_change_of(server->upstream, view);

	return kproxy_next(&server->states, view) || (c && c->next.gone);
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
	struct upstream_change *c;
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
			NL_SET_ERR_MSG(extack, "you may not make TCP sockets, nor have them made");
		return err;
	}
	kproxy_choice_init(&up->choice);
	c = upstream_change_get(view, up);
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
	struct upstream_change *c;

	lockdep_assert_held(&up->obj.kn->lock);
	c = upstream_change_get(view, up);
	if (!c)
		return -ENOMEM;
	if (c->add || c->set || c->next.gone)
		return kproxy_change_twice(extack);
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
	struct upstream_change *c;

	lockdep_assert_held(&up->obj.kn->lock);
	c = upstream_change_get(view, up);
	if (!c)
		return -ENOMEM;
	if (c->add || c->set || c->next.gone ||
	    !list_empty(&c->servers))
		return kproxy_change_twice(extack);
	c->next.gone = true;
	return 0;
}

/**
 * kproxy_server_add() - add a server to an upstream
 * @view: the view to add it to
 * @up: the upstream, found there, its namespace's lock held
 * @addr: its address, one that can be connected to
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a duplicate; -ENOSPC for too many; -EDQUOT;
 * -ENOMEM; -EBUSY when the view has deleted the upstream.
 */
int kproxy_server_add(struct kproxy_view *view, struct kproxy_upstream *up,
		      const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	const struct upstream_change *c = upstream_change_of(up, view);
	unsigned int size = up->nr_servers + (c ? c->more : 0);
	struct kproxy_server *server;
	int err;

	lockdep_assert_held(&up->obj.kn->lock);
	if (c && c->next.gone)
		return kproxy_change_twice(extack);
	if (size >= KPROXY_SERVERS_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "the upstream has %u servers, which is the most",
				   size);
		return -ENOSPC;
	}
	if (kproxy_server_find(up, addr, view)) {
		NL_SET_ERR_MSG(extack, "the upstream has this server already");
		return -EEXIST;
	}
	err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_OBJECTS, 1,
				  extack);
	if (err)
		return err;
	server = kproxy_server_new(up, addr, options);
	if (!server) {
		kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_OBJECTS, 1);
		return -ENOMEM;
	}
	kproxy_health_init(server);
	kproxy_check_prepare(server);
	err = kproxy_preconnect_prepare(server) ?:
	      server_stage(view, server, SERVER_ADD, options);
	if (err)
		kproxy_server_put(server);
	return err;
}

/**
 * kproxy_server_set() - change a server
 * @view: the view to change it in
 * @server: the server, found there, its namespace's lock held
 * @options: its options from then on; live sessions are reset when it is taken
 *	down, and go on otherwise
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has a change of it already.
 */
int kproxy_server_set(struct kproxy_view *view, struct kproxy_server *server,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&server->upstream->obj.kn->lock);
	if (server_twice(server, view))
		return kproxy_change_twice(extack);
	return server_stage(view, server, SERVER_SET, options);
}

/**
 * kproxy_server_del() - remove a server; its live sessions go on
 * @view: the view to remove it from
 * @server: the server, found there, its namespace's lock held
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has a change of it already.
 */
int kproxy_server_del(struct kproxy_view *view, struct kproxy_server *server,
		      struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&server->upstream->obj.kn->lock);
	if (server_twice(server, view))
		return kproxy_change_twice(extack);
	return server_stage(view, server, SERVER_DEL, &server->options);
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
