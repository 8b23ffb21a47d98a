// SPDX-License-Identifier: GPL-2.0
/*
 * Upstreams and their servers. Both are counted: by the configuration as long
 * as they are in it, a server by the sessions that it has, an upstream by its
 * servers and listeners. What was deleted goes away with its last session, and
 * after a grace period: who lists sessions reads the names of both under RCU.
 */
#include <linux/netlink.h>
#include <linux/slab.h>

#include "netns.h"
#include "session-table.h"
#include "upstream.h"

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
	kproxy_roundrobin_init(&up->turns);
	up->options = *options;
	upstream_set_sockopts(up, &options->sockopts);
	list_add_tail(&up->node, &kn->upstreams);
	kproxy_net_changed(kn);
	return 0;
}

/**
 * kproxy_upstream_set() - change an upstream for sessions to come
 * @up: the upstream, its namespace's lock held
 * @options: its options from now on
 */
void kproxy_upstream_set(struct kproxy_upstream *up,
			 const struct kproxy_upstream_options *options)
{
	lockdep_assert_held(&up->kn->lock);
	WRITE_ONCE(up->options.balance, options->balance);
	WRITE_ONCE(up->options.retries, options->retries);
	upstream_set_sockopts(up, &options->sockopts);
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

static struct kproxy_server *turn_server(struct kproxy_roundrobin_entry *turn)
{
	return turn ? container_of(turn, struct kproxy_server, turn) : NULL;
}

/**
 * kproxy_upstream_pick() - choose the server of a new session
 * @up: the upstream, held
 * @not: a server that has just failed, taken only when there is no other
 *
 * Context: process.
 * Return: the server, held, or NULL when none takes sessions.
 */
struct kproxy_server *kproxy_upstream_pick(struct kproxy_upstream *up,
					   const struct kproxy_server *not)
{
	struct kproxy_server *server;

	spin_lock(&up->lock);
	server = turn_server(kproxy_roundrobin_pick(&up->turns));
	if (server && server == not)
		server = turn_server(kproxy_roundrobin_pick(&up->turns));
	if (server)
		refcount_inc(&server->refs);
	spin_unlock(&up->lock);
	return server;
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

/* The weight that counts: a server that is not up takes no session. */
static void server_apply(struct kproxy_server *server)
{
	bool up = server->options.state == KPROXY_SERVER_STATE_UP;

	spin_lock(&server->upstream->lock);
	kproxy_roundrobin_set(&server->upstream->turns, &server->turn,
			      up ? server->options.weight : 0);
	spin_unlock(&server->upstream->lock);
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
	list_add_tail(&server->node, &up->servers);
	up->nr_servers++;
	server_apply(server);
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
	struct kproxy_net *kn = server->upstream->kn;

	lockdep_assert_held(&kn->lock);
	WRITE_ONCE(server->options.weight, options->weight);
	WRITE_ONCE(server->options.state, options->state);
	server_apply(server);
	if (options->state == KPROXY_SERVER_STATE_DOWN)
		kproxy_session_kill_server(server);
	kproxy_net_changed(kn);
}

/**
 * kproxy_server_del() - remove a server; its live sessions go on
 * @server: the server, its namespace's lock held; the caller's no more
 */
void kproxy_server_del(struct kproxy_server *server)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->kn->lock);
	spin_lock(&up->lock);
	kproxy_roundrobin_set(&up->turns, &server->turn, 0);
	spin_unlock(&up->lock);
	list_del(&server->node);
	up->nr_servers--;
	kproxy_net_changed(up->kn);
	kproxy_server_put(server);
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
