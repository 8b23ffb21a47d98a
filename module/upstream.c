// SPDX-License-Identifier: GPL-2.0
/*
 * Upstreams and their servers. Both are counted: by the configuration as long
 * as they are in it, a server by the choice that it stands in and the sessions
 * that it has, an upstream by its servers, listeners and sessions. What was
 * deleted goes away with its last session, and after a grace period: who lists
 * sessions reads the names of both under RCU.
 */
#include <linux/netlink.h>
#include <linux/slab.h>

#include "netns.h"
#include "session-table.h"
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
	struct kproxy_upstream *up;

	lockdep_assert_held(&kn->lock);
	list_for_each_entry(up, &kn->upstreams, node)
		if (!strcmp(up->name, name))
			return up;
	return NULL;
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

/**
 * kproxy_upstream_add() - make an upstream without servers
 * @kn: the namespace's root, its lock held
 * @name: a valid name
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a name in use; -ENOMEM.
 */
int kproxy_upstream_add(struct kproxy_net *kn, const char *name,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack)
{
	struct kproxy_upstream *up;

	lockdep_assert_held(&kn->lock);
	if (kproxy_upstream_find(kn, name)) {
		NL_SET_ERR_MSG(extack, "an upstream of this name exists");
		return -EEXIST;
	}
	up = kzalloc(sizeof(*up), GFP_KERNEL_ACCOUNT);
	if (!up)
		return -ENOMEM;
	up->kn = kn;
	refcount_set(&up->refs, 1);
	up->id = ++kn->last_object;
	strscpy(up->name, name, sizeof(up->name));
	INIT_LIST_HEAD(&up->servers);
	spin_lock_init(&up->lock);
	kproxy_choice_init(&up->choice);
	up->options = *options;
	upstream_set_sockopts(up, &options->sockopts);
	list_add_tail(&up->node, &kn->upstreams);
	kproxy_net_changed(kn);
	return 0;
}

/* The servers' health is looked after as the options say now. */
static void upstream_apply(struct kproxy_upstream *up, bool checks)
{
	struct kproxy_server *server;

	list_for_each_entry(server, &up->servers, node) {
		if (checks)
			kproxy_check_apply(server);
		if (!up->options.eject)
			kproxy_health_forgive(server);
	}
}

/**
 * kproxy_upstream_set() - change an upstream for sessions to come
 * @up: the upstream, its namespace's lock held
 * @options: its options from now on
 *
 * Context: process, may sleep.
 */
void kproxy_upstream_set(struct kproxy_upstream *up,
			 const struct kproxy_upstream_options *options)
{
	bool checks = up->options.check != options->check ||
		      up->options.interval != options->interval;

	lockdep_assert_held(&up->kn->lock);
	mutex_lock(&up->choice.lock);
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
	kproxy_choice_changed(&up->choice);
	mutex_unlock(&up->choice.lock);
	upstream_set_sockopts(up, &options->sockopts);
	upstream_apply(up, checks);
	kproxy_net_changed(up->kn);
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

static void upstream_unlink(struct kproxy_upstream *up)
{
	struct kproxy_server *server, *next;

	list_for_each_entry_safe(server, next, &up->servers, node)
		kproxy_server_del(server);
	kproxy_choice_destroy(&up->choice);
	list_del(&up->node);
	kproxy_net_changed(up->kn);
	kproxy_upstream_put(up);
}

/**
 * kproxy_upstream_del() - remove an upstream and its servers
 * @up: the upstream, its namespace's lock held; the caller's no more
 * @extack: gets the reason of a refusal
 *
 * Return: 0, or -EBUSY while a listener names it.
 */
int kproxy_upstream_del(struct kproxy_upstream *up,
			struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&up->kn->lock);
	if (up->users) {
		NL_SET_ERR_MSG_FMT(extack, "%u listener%s still use%s it",
				   up->users, up->users > 1 ? "s" : "",
				   up->users > 1 ? "" : "s");
		return -EBUSY;
	}
	upstream_unlink(up);
	return 0;
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
 * kproxy_upstream_stop_all() - look after the health of no server any more
 * @kn: the namespace's root, its lock held; it is at its end
 *
 * Context: process, may sleep.
 */
void kproxy_upstream_stop_all(struct kproxy_net *kn)
{
	struct kproxy_server *server;
	struct kproxy_upstream *up;

	list_for_each_entry(up, &kn->upstreams, node)
		list_for_each_entry(server, &up->servers, node)
			kproxy_check_stop(server);
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
	if (refcount_dec_and_test(&up->refs))
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
	struct kproxy_server *server;

	lockdep_assert_held(&up->kn->lock);
	list_for_each_entry(server, &up->servers, node)
		if (kproxy_addr_equal(&server->addr, addr))
			return server;
	return NULL;
}

/**
 * kproxy_server_add() - add a server to an upstream
 * @up: the upstream, its namespace's lock held
 * @addr: its address, one that can be connected to
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST when it stands there already; -ENOSPC for too many;
 * -ENOMEM.
 */
int kproxy_server_add(struct kproxy_upstream *up, const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	struct kproxy_server *server;

	lockdep_assert_held(&up->kn->lock);
	if (up->nr_servers >= KPROXY_SERVERS_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "the upstream has %u servers, which is the most",
				   up->nr_servers);
		return -ENOSPC;
	}
	if (kproxy_server_find(up, addr)) {
		NL_SET_ERR_MSG(extack, "the upstream has this server already");
		return -EEXIST;
	}
	server = kzalloc(sizeof(*server), GFP_KERNEL_ACCOUNT);
	if (!server)
		return -ENOMEM;
	server->stats = kproxy_stats_new();
	if (!server->stats) {
		kfree(server);
		return -ENOMEM;
	}
	refcount_set(&server->refs, 1);
	server->upstream = up;
	kproxy_upstream_hold(up);
	server->addr = *addr;
	server->id = ++up->kn->last_object;
	server->options = *options;
	kproxy_health_init(server);
	kproxy_check_prepare(server);
	mutex_lock(&up->choice.lock);
	list_add_tail(&server->node, &up->servers);
	up->nr_servers++;
	kproxy_choice_changed(&up->choice);
	mutex_unlock(&up->choice.lock);
	kproxy_check_apply(server);
	kproxy_net_changed(up->kn);
	return 0;
}

/**
 * kproxy_server_set() - change a server
 * @server: the server, its namespace's lock held
 * @options: its options from now on; live sessions are reset when it is taken
 *	down, and go on otherwise
 *
 * Context: process, may sleep.
 */
void kproxy_server_set(struct kproxy_server *server,
		       const struct kproxy_server_options *options)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->kn->lock);
	mutex_lock(&up->choice.lock);
	WRITE_ONCE(server->options.weight, options->weight);
	WRITE_ONCE(server->options.state, options->state);
	WRITE_ONCE(server->options.maxconn, options->maxconn);
	WRITE_ONCE(server->options.backup, options->backup);
	kproxy_choice_changed(&up->choice);
	mutex_unlock(&up->choice.lock);
	kproxy_net_changed(up->kn);
	/* There may be room now for sessions that wait. */
	kproxy_queue_call(&up->choice.queue);
	if (options->state == KPROXY_SERVER_STATE_DOWN) {
		/* Who is not found by this sees the state: session_reach(). */
		smp_mb();
		kproxy_session_kill_server(server);
	}
}

/**
 * kproxy_server_del() - remove a server; its live sessions go on
 * @server: the server, its namespace's lock held; the caller's no more
 */
void kproxy_server_del(struct kproxy_server *server)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->kn->lock);
	set_bit(KPROXY_SERVER_GONE, &server->flags);
	kproxy_check_stop(server);
	kproxy_health_stop(server);
	mutex_lock(&up->choice.lock);
	list_del(&server->node);
	up->nr_servers--;
	kproxy_choice_changed(&up->choice);
	mutex_unlock(&up->choice.lock);
	kproxy_net_changed(up->kn);
	kproxy_server_put(server);
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
	kproxy_upstream_put(server->upstream);
	kproxy_stats_free(server->stats);
	kfree_rcu(server, rcu);
}
