// SPDX-License-Identifier: GPL-2.0
/*
 * Servers of an upstream. References are held by the upstream while the server
 * is in a view, by the balancers that contain it, by changes of it and by its
 * sessions. A deleted server is freed after its last session and a grace
 * period, because session dumps read its address under RCU.
 */
#include <linux/slab.h>

#include "balance.h"
#include "memcg.h"
#include "quota.h"
#include "root.h"
#include "server.h"
#include "upstream.h"

#define NUMBER(name, field, def)					\
	KPROXY_OPTION(KPROXY_A_SERVER_##name,				\
		      struct kproxy_server_options, field, def)

const struct kproxy_option kproxy_server_numbers[] = {
	NUMBER(WEIGHT, weight, 1),
	NUMBER(STATE, state, KPROXY_SERVER_STATE_UP),
	NUMBER(MAXCONN, maxconn, 0),
	NUMBER(BACKUP, backup, 0),
	NUMBER(PRIORITY, priority, 0),
	NUMBER(HEALTH_SET, health, KPROXY_HEALTH_SET_AUTO),
	KPROXY_OPTION_END
};

static u32 server_key(const union kproxy_addr *addr)
{
	return kproxy_balance_hash(addr) ^ (__force u16)kproxy_addr_port(addr);
}

/**
 * kproxy_server_new() - allocate a server that is in no view yet
 * @up: its upstream, the lock of the namespace's configuration held
 * @addr: its address
 * @options: its options
 *
 * The caller has charged it to the quota of objects.
 *
 * Context: process, may sleep.
 * Return: the server, the caller's; NULL when there is no memory.
 */
struct kproxy_server *
kproxy_server_new(struct kproxy_upstream *up, const union kproxy_addr *addr,
		  const struct kproxy_server_options *options)
{
	struct kproxy_server *server;

	server = kzalloc(sizeof(*server), GFP_KERNEL_ACCOUNT);
	if (!server)
		return NULL;
	server->stats = kproxy_stats_new();
	server->histograms = kproxy_histograms_new();
	if (!server->stats || !server->histograms) {
		kproxy_histograms_free(server->histograms);
		kproxy_stats_free(server->stats);
		kfree(server);
		return NULL;
	}
	refcount_set(&server->refs, 1);
	server->upstream = up;
	kproxy_upstream_hold(up);
	server->addr = *addr;
	server->id = ++up->obj.kn->last_object;
	server->options = *options;
	return server;
}

/**
 * kproxy_server_link() - make a server visible to the views that contain it
 * @server: the server, the lock of the namespace's configuration held
 *
 * Context: process, may sleep.
 */
void kproxy_server_link(struct kproxy_server *server)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->obj.kn->lock);
	mutex_lock(&up->choice.lock);
	list_add_tail(&server->node, &up->servers);
	mutex_unlock(&up->choice.lock);
	hash_add(up->by_addr, &server->by_addr, server_key(&server->addr));
}

/**
 * kproxy_server_unlink() - hide a server from all look-ups
 * @server: the server, the locks of the configuration and of the choice held
 */
void kproxy_server_unlink(struct kproxy_server *server)
{
	struct kproxy_upstream *up = server->upstream;

	lockdep_assert_held(&up->obj.kn->lock);
	lockdep_assert_held(&up->choice.lock);
	set_bit(KPROXY_SERVER_GONE, &server->flags);
	list_del(&server->node);
	hash_del(&server->by_addr);
	if (server->states.now)
		up->nr_servers--;
	server->states.now = false;
}

/**
 * kproxy_server_find() - a server by its address
 * @up: the upstream, its namespace's lock held
 * @addr: the address
 * @view: the view to look in; a server that it deletes is found, too
 *
 * Return: the server, not held, or NULL.
 */
struct kproxy_server *kproxy_server_find(struct kproxy_upstream *up,
					 const union kproxy_addr *addr,
					 const struct kproxy_view *view)
{
	struct kproxy_server *server, *found = NULL;

	lockdep_assert_held(&up->obj.kn->lock);
	hash_for_each_possible(up->by_addr, server, by_addr, server_key(addr)) {
		if (!kproxy_addr_equal(&server->addr, addr) ||
		    !kproxy_known(&server->states, view))
			continue;
		found = server;
		if (server->states.now)
			break;
	}
	return found;
}

/**
 * kproxy_server_options() - the options of a server
 * @server: the server, linked
 * @view: the view to look in. The configuration lock is held; without a view,
 *	the choice's lock will do
 *
 * Return: its options in the view, NULL if the view does not contain it.
 */
const struct kproxy_server_options *
kproxy_server_options(const struct kproxy_server *server,
		      const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&server->states, view);

	if (!next)
		return server->states.now ? &server->options : NULL;
	if (next->gone)
		return NULL;
	return &container_of(next, struct kproxy_server_next, next)->options;
}

/**
 * kproxy_server_get_name() - copy the name of a server
 * @server: the server
 * @name: where it goes, empty for none; a mix of two if it changes meanwhile
 *
 * Context: any.
 */
void kproxy_server_get_name(const struct kproxy_server *server,
			    char name[KPROXY_NAME_MAX + 1])
{
	/* Whoever changes it may be in the middle of that. */
	data_race(memcpy(name, server->options.name, KPROXY_NAME_MAX));
	name[KPROXY_NAME_MAX] = '\0';
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
	kproxy_quota_uncharge(server->upstream->obj.quota, KPROXY_QUOTA_OBJECTS, 1);
	kproxy_upstream_put(server->upstream);
	kproxy_stats_free(server->stats);
	kproxy_histograms_free(server->histograms);
	free_percpu(server->preconnect.cpus);
	kfree_rcu(server, rcu);
}

/**
 * kproxy_server_add_time() - count how long something took with a server
 * @server: the server, held
 * @kind: what it was
 * @us: how long it was, in microseconds
 *
 * Context: process or softirq.
 */
void kproxy_server_add_time(struct kproxy_server *server,
			    enum kproxy_time_kind kind, u64 us)
{
	struct mem_cgroup *memcg;

	/* The first time costs the memory that it is counted in. */
	memcg = kproxy_memcg_enter(server->upstream->owner);
	kproxy_histograms_add(server->histograms, kind, us);
	kproxy_memcg_leave(memcg);
}
