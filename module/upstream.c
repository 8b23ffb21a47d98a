// SPDX-License-Identifier: GPL-2.0
/*
 * Upstreams and their servers. Both are counted: by the configuration as long
 * as they are in it, a server by the choice that it stands in and the sessions
 * that it has, an upstream by its servers, listeners and sessions. What was
 * deleted goes away with its last session, and after a grace period: who lists
 * sessions reads the names of both under RCU.
 *
 * Whatever a transaction makes of an upstream and its servers is one change, so
 * that sessions see all of it or nothing. What they choose from is built before
 * that, since publishing must not need memory.
 *
 * Listeners and routes that lead to an upstream are counted, as they are and as
 * the transaction will have them, so that it costs nothing to see whether an
 * upstream may be deleted.
 */
#include <linux/cpumask.h>
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "balance.h"
#include "fault.h"
#include "listener.h"
#include "memcg.h"
#include "netlink.h"
#include "netns.h"
#include "owner.h"
#include "quota.h"
#include "route.h"
#include "session-table.h"
#include "transaction.h"
#include "upstream.h"

const struct kproxy_upstream_options kproxy_upstream_defaults = {
	.balance = KPROXY_BALANCE_ROUNDROBIN,
	.retries = 2,
	.eject_time = 30 * MSEC_PER_SEC,
	.check = KPROXY_CHECK_OFF,
	.interval = 2 * MSEC_PER_SEC,
	.timeout = 1 * MSEC_PER_SEC,
	.rise = 2,
	.fall = 3,
	.send_proxy = KPROXY_SEND_PROXY_OFF,
	.sockopts = KPROXY_SOCKOPTS_DEFAULTS,
};

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
	struct kproxy_server_options options;
};

/* What becomes of an upstream, which is held. */
struct upstream_change {
	struct kproxy_change change;
	struct kproxy_upstream *up;
	bool add;
	bool set;
	bool del;
	/* part of a transaction */
	bool staged;
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
	/* new ones, by their own nodes */
	struct list_head arriving;
	/* how many more it will have */
	int more;
	/* of a transaction: what sessions will choose from */
	struct kproxy_balancer *tiers[KPROXY_TIERS];
};

static struct upstream_change *to_upstream_change(struct kproxy_change *change)
{
	return container_of(change, struct upstream_change, change);
}

/* What has been staged of it, for those who stage. */
static struct upstream_change *upstream_staged(const struct kproxy_upstream *up)
{
	if (!up->kn->staging || !up->change)
		return NULL;
	return to_upstream_change(up->change);
}

/* Where upstreams of a name are, of a namespace that has any. */
static struct hlist_head *name_head(const struct kproxy_net *kn,
				    const char *name)
{
	u32 key = jhash(name, strlen(name), 0);

	return &kn->upstream_names[hash_32(key, KPROXY_NAME_BITS)];
}

/**
 * kproxy_upstream_find() - an upstream by its name
 * @kn: the namespace's root, its lock held
 * @name: the name
 *
 * Return: the upstream, not held, or NULL.
 */
struct kproxy_upstream *kproxy_upstream_find(struct kproxy_net *kn,
					     const char *name)
{
	struct kproxy_upstream *up, *arriving = NULL;

	lockdep_assert_held(&kn->lock);
	if (!kn->used)
		return NULL;
	hlist_for_each_entry(up, name_head(kn, name), by_name) {
		if (strcmp(up->name, name))
			continue;
		if (!up->arriving)
			return up;
		arriving = up;
	}
	return kn->staging ? arriving : NULL;
}

static void upstream_set_sockopts(struct kproxy_upstream *up,
				  const struct kproxy_sockopts *opts)
{
	spin_lock(&up->lock);
	up->options.sockopts = *opts;
	spin_unlock(&up->lock);
	WRITE_ONCE(up->sockopts_set,
		   kproxy_sockopts_differ(&kproxy_sockopts_defaults, opts));
}

static void upstream_set_source(struct kproxy_upstream *up,
				const struct kproxy_source *source)
{
	spin_lock(&up->lock);
	write_seqcount_begin(&up->source_seq);
	up->options.source = *source;
	write_seqcount_end(&up->source_seq);
	spin_unlock(&up->lock);
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

/* The servers are looked after as the options say now. */
static void upstream_apply(const struct upstream_change *c)
{
	struct kproxy_upstream *up = c->up;
	struct kproxy_server *server;

	list_for_each_entry(server, &up->servers, node) {
		cond_resched();
		if (c->connections && c->flush)
			kproxy_preconnect_flush(server);
		else if (c->connections)
			kproxy_preconnect_apply(server);
		if (c->checks)
			kproxy_check_apply(server);
		if (!up->options.eject)
			kproxy_health_forgive(server);
	}
}

static u32 server_key(const union kproxy_addr *addr)
{
	return kproxy_balance_hash(addr) ^ (__force u16)kproxy_addr_port(addr);
}

static void server_link(struct kproxy_server *server)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->choice.lock);
	server->arriving = false;
	list_move_tail(&server->node, &up->servers);
	up->nr_servers++;
}

static void server_use(struct kproxy_server *server,
		       const struct kproxy_server_options *options)
{
	lockdep_assert_held(&server->upstream->choice.lock);
	WRITE_ONCE(server->options.weight, options->weight);
	WRITE_ONCE(server->options.state, options->state);
	WRITE_ONCE(server->options.maxconn, options->maxconn);
	WRITE_ONCE(server->options.backup, options->backup);
}

static void server_unlink(struct kproxy_server *server)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->choice.lock);
	set_bit(KPROXY_SERVER_GONE, &server->flags);
	list_del(&server->node);
	hash_del(&server->by_addr);
	up->nr_servers--;
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
		mutex_lock(&up->choice.lock);
		server_unlink(server);
		mutex_unlock(&up->choice.lock);
		server_stop(server);
		kproxy_server_put(server);
		cond_resched();
	}
	kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_CONNECTIONS,
			      up->connections);
	kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_CHECKS, up->checks);
	kproxy_choice_destroy(&up->choice);
	list_del(&up->node);
	hlist_del(&up->by_name);
	kproxy_net_changed(up->kn);
	kproxy_upstream_put(up);
}

static int refuse_used(const struct upstream_change *c,
		       struct netlink_ext_ack *extack)
{
	const struct kproxy_upstream *up = c->up;

	if (c->staged)
		NL_SET_ERR_MSG_FMT(extack,
				   "upstream \"%s\": a listener still uses it",
				   up->name);
	else
		NL_SET_ERR_MSG_FMT(extack, "%u listener%s still use%s it",
				   up->users, up->users > 1 ? "s" : "",
				   up->users > 1 ? "" : "s");
	return -EBUSY;
}

/**
 * kproxy_upstream_stage() - stage a change of the number of users
 * @up: the upstream, its namespace's lock held by the owner of the transaction
 * @users: how many more listeners there will be
 * @routes: how many more routes
 */
void kproxy_upstream_stage(struct kproxy_upstream *up, int users, int routes)
{
	lockdep_assert_held(&up->kn->lock);
	/* Counts of an earlier transaction are void. */
	if (up->staged_for != up->kn->transaction) {
		up->staged_for = up->kn->transaction;
		up->staged_users = 0;
		up->staged_routes = 0;
	}
	up->staged_users += users;
	up->staged_routes += routes;
}

/* It may be deleted when neither a listener nor a route leads to it. */
static int upstream_check_unused(const struct upstream_change *c,
				 struct netlink_ext_ack *extack)
{
	struct kproxy_upstream *up = c->up;
	const struct kproxy_listener *l;

	if (c->staged)
		kproxy_upstream_stage(up, 0, 0);
	if (up->users + (c->staged ? up->staged_users : 0))
		return refuse_used(c, extack);
	if (!(up->routes + (c->staged ? up->staged_routes : 0)))
		return 0;
	l = c->staged ? NULL : kproxy_route_user(up);
	if (!l)
		NL_SET_ERR_MSG_FMT(extack,
				   "upstream \"%s\": a route still leads to it",
				   up->name);
	else
		NL_SET_ERR_MSG_FMT(extack,
				   "a route of listener \"%s\" still leads to it",
				   l->name);
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

	if (!up->quota)
		return 0;
	upstream_needs(options, up->nr_servers + c->more, &connections,
		       &checks);
	/* A change that asks for no more is not refused because CPUs came online. */
	if (connections > up->connections &&
	    (c->more > 0 || options->preconnect > up->options.preconnect)) {
		connections -= up->connections;
		err = kproxy_quota_charge(up->quota, KPROXY_QUOTA_CONNECTIONS,
					  connections, extack);
		if (err)
			return err;
		c->more_connections = connections;
	}
	if (checks > up->checks) {
		checks -= up->checks;
		err = kproxy_quota_charge(up->quota, KPROXY_QUOTA_CHECKS,
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

	if (!up->quota)
		return;
	if (published)
		upstream_needs(&up->options, up->nr_servers, &connections,
			       &checks);
	/* A CPU that came online meanwhile is not charged for. */
	connections = min(connections, up->connections + c->more_connections);
	checks = min(checks, up->checks + c->more_checks);
	kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_CONNECTIONS,
			      up->connections + c->more_connections -
			      connections);
	kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_CHECKS,
			      up->checks + c->more_checks - checks);
	up->connections = connections;
	up->checks = checks;
}

static int upstream_prepare(struct kproxy_change *change,
			    struct netlink_ext_ack *extack)
{
	struct upstream_change *c = to_upstream_change(change);
	const struct kproxy_upstream_options *options;
	struct kproxy_upstream *up = c->up;
	bool servers;
	int err = 0;

	if (c->del)
		return upstream_check_unused(c, extack);
	options = c->set ? &c->options : &up->options;
	servers = up->nr_servers + c->more > 0;
	/* Without a server, a queue would only cost its memory. */
	if (servers && options->check != KPROXY_CHECK_OFF)
		err = kproxy_check_open(up->kn);
	if (!err && servers && options->preconnect)
		err = kproxy_preconnect_open(up->kn);
	if (!err)
		err = upstream_charge(c, options, extack);
	if (err)
		return err;
	/* Of many changes, one by one, the last one is built, and soon enough. */
	if (!c->staged)
		return 0;
	return kproxy_choice_prepare(&up->choice, options->balance,
				     &c->arriving, c->tiers);
}

static void server_publish(struct server_change *sc)
{
	switch (sc->fate) {
	case SERVER_ADD:
		server_link(sc->server);
		break;
	case SERVER_SET:
		server_use(sc->server, &sc->options);
		break;
	case SERVER_DEL:
		server_unlink(sc->server);
		break;
	}
}

/* At once: it must not seem to be without servers in between. */
static void servers_publish(struct upstream_change *c)
{
	struct kproxy_choice *choice = &c->up->choice;
	struct server_change *sc;

	mutex_lock(&choice->lock);
	if (c->set)
		upstream_use(c->up, &c->options);
	list_for_each_entry(sc, &c->servers, node)
		server_publish(sc);
	if (c->staged)
		kproxy_choice_replace(choice, c->tiers);
	else if (!c->add)
		kproxy_choice_changed(choice);
	mutex_unlock(&choice->lock);
	/* There may be room now for sessions that wait. */
	kproxy_queue_call(&choice->queue);
}

static void upstream_tell(const struct upstream_change *c)
{
	static const u8 events[] = {
		[SERVER_ADD] = KPROXY_CMD_SERVER_ADD_NTF,
		[SERVER_SET] = KPROXY_CMD_SERVER_SET_NTF,
		[SERVER_DEL] = KPROXY_CMD_SERVER_DEL_NTF,
	};
	const struct server_change *sc;

	if (c->add)
		kproxy_netlink_upstream_event(c->up,
					      KPROXY_CMD_UPSTREAM_ADD_NTF);
	if (c->set)
		kproxy_netlink_upstream_event(c->up,
					      KPROXY_CMD_UPSTREAM_SET_NTF);
	list_for_each_entry(sc, &c->servers, node) {
		kproxy_netlink_server_event(sc->server, events[sc->fate]);
		cond_resched();
	}
}

static void upstream_publish(struct kproxy_change *change)
{
	struct upstream_change *c = to_upstream_change(change);
	struct kproxy_upstream *up = c->up;

	if (c->del)
		return;
	if (c->add) {
		up->arriving = false;
		list_move_tail(&up->node, &up->kn->upstreams);
	}
	c->checks = c->set && (up->options.check != c->options.check ||
			       up->options.interval != c->options.interval);
	c->connections = c->set && (up->options.preconnect ||
				    c->options.preconnect);
	c->flush = c->set && upstream_connects_otherwise(up, &c->options);
	servers_publish(c);
	if (c->set) {
		upstream_set_sockopts(up, &c->options.sockopts);
		upstream_set_source(up, &c->options.source);
	}
	kproxy_net_changed(up->kn);
	upstream_tell(c);
}

/* What follows from it, once it is seen. */
static void server_follow(struct server_change *sc)
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
		break;
	case SERVER_DEL:
		server_stop(server);
		break;
	}
}

static void server_finish(struct server_change *sc, bool published)
{
	struct kproxy_server *server = sc->server;

	if (server->next == &sc->options)
		server->next = NULL;
	if (published)
		server_follow(sc);
	else if (sc->fate == SERVER_ADD)
		hash_del(&server->by_addr);
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
			   sc->options.state == KPROXY_SERVER_STATE_DOWN;
		server_finish(sc, published);
		cond_resched();
	}
	if (published && c->down) {
		/* A session that the walk misses sees the state: session_reach(). */
		smp_mb();
		kproxy_fault_point(KPROXY_POINT_SERVER_DOWN);
		kproxy_session_kill_down(c->up);
	}
	if (published && c->set)
		upstream_apply(c);
	upstream_settle(c, published);
	if (published ? c->del : c->add)
		upstream_unlink(c->up);
	if (published && c->del)
		kproxy_netlink_upstream_event(c->up,
					      KPROXY_CMD_UPSTREAM_DEL_NTF);
	kproxy_choice_forget(c->tiers);
	kproxy_upstream_put(c->up);
	kfree(c);
}

static const struct kproxy_change_ops upstream_change_ops = {
	.prepare = upstream_prepare,
	.publish = upstream_publish,
	.finish = upstream_finish,
};

static struct upstream_change *upstream_change_new(struct kproxy_upstream *up)
{
	struct upstream_change *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return NULL;
	c->up = up;
	kproxy_upstream_hold(up);
	c->staged = up->kn->staging;
	INIT_LIST_HEAD(&c->servers);
	INIT_LIST_HEAD(&c->arriving);
	kproxy_change_init(&c->change, &upstream_change_ops, &up->change);
	return c;
}

/* The change that a request is a part of, for upstream_submit(). */
static struct upstream_change *upstream_change_get(struct kproxy_upstream *up)
{
	return upstream_staged(up) ?: upstream_change_new(up);
}

/* A request has failed and left nothing in the change. */
static void upstream_change_drop(struct upstream_change *c)
{
	if (list_empty(&c->change.node))
		kproxy_change_cancel(c->up->kn, &c->change);
}

static int upstream_submit(struct upstream_change *c,
			   struct netlink_ext_ack *extack)
{
	/* It is part of a transaction already. */
	if (!list_empty(&c->change.node))
		return 0;
	return kproxy_change_submit(c->up->kn, &c->change, extack);
}

static void server_arrive(struct kproxy_server *server,
			  struct upstream_change *c)
{
	server->arriving = true;
	list_add_tail(&server->node, &c->arriving);
	hash_add(c->up->by_addr, &server->by_addr, server_key(&server->addr));
}

/* What the caller has of a new server is the change's, then the upstream's. */
static int server_submit(struct kproxy_server *server, enum server_fate fate,
			 const struct kproxy_server_options *options,
			 struct netlink_ext_ack *extack)
{
	struct kproxy_upstream *up = server->upstream;
	struct upstream_change *c = upstream_change_get(up);
	struct server_change *sc;

	if (!c)
		goto err_server;
	sc = kzalloc(sizeof(*sc), GFP_KERNEL_ACCOUNT);
	if (!sc)
		goto err_change;
	sc->server = server;
	kproxy_server_hold(server);
	sc->fate = fate;
	sc->options = *options;
	if (c->staged)
		server->next = &sc->options;
	list_add_tail(&sc->node, &c->servers);
	if (fate == SERVER_ADD)
		server_arrive(server, c);
	c->more += (fate == SERVER_ADD) - (fate == SERVER_DEL);
	return upstream_submit(c, extack);

err_change:
	upstream_change_drop(c);
err_server:
	if (fate == SERVER_ADD)
		kproxy_server_put(server);
	return -ENOMEM;
}

/* Whether a transaction has made something of it already. */
static bool server_twice(const struct kproxy_server *server)
{
	const struct upstream_change *c = upstream_staged(server->upstream);

	return c && (server->next || c->del);
}

static struct kproxy_upstream *
upstream_new(struct kproxy_net *kn, const char *name,
	     const struct kproxy_upstream_options *options)
{
	struct kproxy_upstream *up;
	int err;

	up = kzalloc(sizeof(*up), GFP_KERNEL_ACCOUNT);
	if (!up)
		return ERR_PTR(-ENOMEM);
	up->owner = kproxy_owner_new(kn->net);
	if (IS_ERR(up->owner)) {
		err = PTR_ERR(up->owner);
		kfree(up);
		return ERR_PTR(err);
	}
	up->kn = kn;
	up->quota = kproxy_quota_hold(kn->quota);
	refcount_set(&up->refs, 1);
	up->id = ++kn->last_object;
	strscpy(up->name, name, sizeof(up->name));
	INIT_LIST_HEAD(&up->servers);
	hash_init(up->by_addr);
	spin_lock_init(&up->lock);
	seqcount_spinlock_init(&up->source_seq, &up->lock);
	kproxy_choice_init(&up->choice);
	up->options = *options;
	upstream_set_sockopts(up, &options->sockopts);
	return up;
}

/**
 * kproxy_upstream_add() - make an upstream without servers
 * @kn: the namespace's root, its lock held
 * @name: a valid name
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a name in use; -EDQUOT; -ENOMEM; what kproxy_owner_new()
 * says of a task that may not make sockets; of a transaction also -ESTALE.
 */
int kproxy_upstream_add(struct kproxy_net *kn, const char *name,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack)
{
	struct upstream_change *c;
	struct kproxy_upstream *up;
	int err;

	lockdep_assert_held(&kn->lock);
	if (kproxy_upstream_find(kn, name)) {
		NL_SET_ERR_MSG(extack, "an upstream of this name exists");
		return -EEXIST;
	}
	err = kproxy_net_use(kn);
	if (!err)
		err = kproxy_quota_charge(kn->quota, KPROXY_QUOTA_OBJECTS, 1,
					  extack);
	if (err)
		return err;
	up = upstream_new(kn, name, options);
	if (IS_ERR(up)) {
		kproxy_quota_uncharge(kn->quota, KPROXY_QUOTA_OBJECTS, 1);
		err = PTR_ERR(up);
		if (err == -EPERM || err == -EACCES)
			NL_SET_ERR_MSG(extack, "you may not make TCP sockets, nor have them made");
		return err;
	}
	c = upstream_change_new(up);
	if (!c) {
		kproxy_upstream_put(up);
		return -ENOMEM;
	}
	c->add = true;
	up->arriving = true;
	list_add_tail(&up->node, &kn->new_upstreams);
	hlist_add_head(&up->by_name, name_head(kn, name));
	return upstream_submit(c, extack);
}

/**
 * kproxy_upstream_set() - change an upstream for sessions to come
 * @up: the upstream, its namespace's lock held
 * @options: its options from now on
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; of a transaction also -EBUSY when it is changed already,
 * or -ESTALE.
 */
int kproxy_upstream_set(struct kproxy_upstream *up,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack)
{
	struct upstream_change *c;

	lockdep_assert_held(&up->kn->lock);
	c = upstream_change_get(up);
	if (!c)
		return -ENOMEM;
	if (c->add || c->set || c->del)
		return kproxy_change_twice(extack);
	c->set = true;
	c->options = *options;
	return upstream_submit(c, extack);
}

/**
 * kproxy_upstream_del() - remove an upstream and its servers
 * @up: the upstream, its namespace's lock held; the caller's no more
 * @extack: gets the reason of a refusal
 *
 * In a transaction, listeners and routes are asked when it is committed.
 *
 * Context: process, may sleep.
 * Return: 0; -EBUSY while a listener or a route names it; -ENOMEM; of a transaction also
 * -EBUSY when it is changed already, or -ESTALE.
 */
int kproxy_upstream_del(struct kproxy_upstream *up,
			struct netlink_ext_ack *extack)
{
	struct upstream_change *c;

	lockdep_assert_held(&up->kn->lock);
	c = upstream_change_get(up);
	if (!c)
		return -ENOMEM;
	if (c->add || c->set || c->del || !list_empty(&c->servers))
		return kproxy_change_twice(extack);
	c->del = true;
	return upstream_submit(c, extack);
}

/**
 * kproxy_upstream_sockopts() - what the sockets to its servers are to be like
 * @up: the upstream, held
 * @opts: where the options go
 *
 * Context: process.
 * Return: false, with @opts untouched, when they are the defaults.
 */
bool kproxy_upstream_sockopts(struct kproxy_upstream *up,
			      struct kproxy_sockopts *opts)
{
	if (!READ_ONCE(up->sockopts_set))
		return false;
	spin_lock(&up->lock);
	*opts = up->options.sockopts;
	spin_unlock(&up->lock);
	return true;
}

/**
 * kproxy_upstream_source() - the address to connect from whose turn it is
 * @up: the upstream, held
 * @family: AF_INET or AF_INET6
 * @turn: the turn
 * @addr: where the address goes, when there is one
 *
 * Context: process.
 * Return: how many there are of that family, 0 for the kernel's choice.
 */
unsigned int kproxy_upstream_source(const struct kproxy_upstream *up,
				    int family, unsigned int turn,
				    union kproxy_addr *addr)
{
	unsigned int seq, nr;

	do {
		seq = read_seqcount_begin(&up->source_seq);
		nr = kproxy_source_pick(&up->options.source, family, turn,
					addr);
	} while (read_seqcount_retry(&up->source_seq, seq));
	return nr;
}

/**
 * kproxy_upstream_del_all() - remove every upstream of a namespace
 * @kn: the namespace's root, its lock held, without listeners
 */
void kproxy_upstream_del_all(struct kproxy_net *kn)
{
	struct kproxy_upstream *up, *next;

	list_for_each_entry_safe(up, next, &kn->upstreams, node)
		upstream_unlink(up);
}

/**
 * kproxy_upstream_stop_all() - connect to servers no more but for sessions
 * @kn: the namespace's root, its lock held; it is at its end
 *
 * Context: process, may sleep.
 */
void kproxy_upstream_stop_all(struct kproxy_net *kn)
{
	struct kproxy_server *server;
	struct kproxy_upstream *up;

	list_for_each_entry(up, &kn->upstreams, node) {
		list_for_each_entry(server, &up->servers, node) {
			kproxy_check_stop(server);
			kproxy_preconnect_stop(server);
		}
	}
}

/**
 * kproxy_upstream_hold() - take a reference
 * @up: the upstream, held already or found under its namespace's lock
 *
 * Context: any.
 */
void kproxy_upstream_hold(struct kproxy_upstream *up)
{
	refcount_inc(&up->refs);
}

/**
 * kproxy_upstream_put() - drop a reference
 * @up: the upstream
 *
 * Context: any.
 */
void kproxy_upstream_put(struct kproxy_upstream *up)
{
	if (!refcount_dec_and_test(&up->refs))
		return;
	kproxy_owner_free(up->owner);
	kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_OBJECTS, 1);
	kproxy_quota_put(up->quota);
	kfree_rcu(up, rcu);
}

/**
 * kproxy_server_find() - a server by its address
 * @up: the upstream, its namespace's lock held
 * @addr: the address
 *
 * Return: the server, not held, or NULL.
 */
struct kproxy_server *kproxy_server_find(struct kproxy_upstream *up,
					 const union kproxy_addr *addr)
{
	struct kproxy_server *server, *arriving = NULL;

	lockdep_assert_held(&up->kn->lock);
	hash_for_each_possible(up->by_addr, server, by_addr, server_key(addr)) {
		if (!kproxy_addr_equal(&server->addr, addr))
			continue;
		if (!server->arriving)
			return server;
		arriving = server;
	}
	return up->kn->staging ? arriving : NULL;
}

/* How many servers it has, or will have after the transaction. */
static unsigned int upstream_size(const struct kproxy_upstream *up)
{
	const struct upstream_change *c = upstream_staged(up);

	return up->nr_servers + (c ? c->more : 0);
}

static struct kproxy_server *
server_new(struct kproxy_upstream *up, const union kproxy_addr *addr,
	   const struct kproxy_server_options *options)
{
	struct kproxy_server *server;

	server = kzalloc(sizeof(*server), GFP_KERNEL_ACCOUNT);
	if (!server)
		return NULL;
	server->stats = kproxy_stats_new();
	server->latency = kproxy_latency_new();
	if (!server->stats || !server->latency ||
	    kproxy_preconnect_prepare(server)) {
		kproxy_latency_free(server->latency);
		kproxy_stats_free(server->stats);
		kfree(server);
		return NULL;
	}
	refcount_set(&server->refs, 1);
	server->upstream = up;
	kproxy_upstream_hold(up);
	server->addr = *addr;
	server->id = ++up->kn->last_object;
	server->options = *options;
	kproxy_health_init(server);
	kproxy_check_prepare(server);
	return server;
}

/**
 * kproxy_server_add() - add a server to an upstream
 * @up: the upstream, its namespace's lock held
 * @addr: its address, one that can be connected to
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST when it stands there already; -ENOSPC for too many; -EDQUOT;
 * -ENOMEM; of a transaction also -EBUSY when the upstream is deleted, or
 * -ESTALE.
 */
int kproxy_server_add(struct kproxy_upstream *up, const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	const struct upstream_change *c = upstream_staged(up);
	struct kproxy_server *server;
	int err;

	lockdep_assert_held(&up->kn->lock);
	if (c && c->del)
		return kproxy_change_twice(extack);
	if (upstream_size(up) >= KPROXY_SERVERS_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "the upstream has %u servers, which is the most",
				   upstream_size(up));
		return -ENOSPC;
	}
	if (kproxy_server_find(up, addr)) {
		NL_SET_ERR_MSG(extack, "the upstream has this server already");
		return -EEXIST;
	}
	err = kproxy_quota_charge(up->quota, KPROXY_QUOTA_OBJECTS, 1, extack);
	if (err)
		return err;
	server = server_new(up, addr, options);
	if (!server) {
		kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_OBJECTS, 1);
		return -ENOMEM;
	}
	return server_submit(server, SERVER_ADD, options, extack);
}

/**
 * kproxy_server_set() - change a server
 * @server: the server, its namespace's lock held
 * @options: its options from now on; live sessions are reset when it is taken
 *	down, and go on otherwise
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; of a transaction also -EBUSY when it is changed already,
 * or -ESTALE.
 */
int kproxy_server_set(struct kproxy_server *server,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&server->upstream->kn->lock);
	if (server_twice(server))
		return kproxy_change_twice(extack);
	return server_submit(server, SERVER_SET, options, extack);
}

/**
 * kproxy_server_del() - remove a server; its live sessions go on
 * @server: the server, its namespace's lock held; the caller's no more
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; of a transaction also -EBUSY when it is changed already,
 * or -ESTALE.
 */
int kproxy_server_del(struct kproxy_server *server,
		      struct netlink_ext_ack *extack)
{
	struct kproxy_server_options gone = server->options;

	lockdep_assert_held(&server->upstream->kn->lock);
	if (server_twice(server))
		return kproxy_change_twice(extack);
	gone.state = KPROXY_SERVER_STATE_DOWN;
	return server_submit(server, SERVER_DEL, &gone, extack);
}

/**
 * kproxy_server_hold() - take a reference
 * @server: the server, held already or kept from going away by RCU or a lock
 *
 * Context: any.
 */
void kproxy_server_hold(struct kproxy_server *server)
{
	refcount_inc(&server->refs);
}

/**
 * kproxy_server_put() - drop a reference
 * @server: the server
 *
 * Context: any.
 */
void kproxy_server_put(struct kproxy_server *server)
{
	if (!refcount_dec_and_test(&server->refs))
		return;
	kproxy_quota_uncharge(server->upstream->quota, KPROXY_QUOTA_OBJECTS, 1);
	kproxy_upstream_put(server->upstream);
	kproxy_stats_free(server->stats);
	kproxy_latency_free(server->latency);
	kproxy_preconnect_free(server);
	kfree_rcu(server, rcu);
}

/**
 * kproxy_server_took() - count how long something took with a server
 * @server: the server, held
 * @kind: what it was
 * @us: how long it was, in microseconds
 *
 * Context: process or softirq.
 */
void kproxy_server_took(struct kproxy_server *server,
			enum kproxy_latency_kind kind, u64 us)
{
	struct mem_cgroup *memcg;

	/* The first time costs the memory that it is counted in. */
	memcg = kproxy_memcg_enter(server->upstream->owner);
	kproxy_latency_add(server->latency, kind, us);
	kproxy_memcg_leave(memcg);
}
