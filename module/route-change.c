// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of routes. All changes of a listener's routes in a view are one
 * change, with a complete new table. A deleted listener keeps its routes until
 * its last session has ended, for clients that have not sent their server name
 * yet.
 */
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "events.h"
#include "listener.h"
#include "quota.h"
#include "root.h"
#include "route.h"
#include "route-change.h"
#include "transaction.h"
#include "upstream.h"

/* What becomes of the routes of a listener, which is held. */
struct route_change {
	struct kproxy_change change;
	struct kproxy_listener *l;
	bool published;
	/* holds the old table once it is published */
	struct kproxy_routes_next next;
};

static struct route_change *to_route_change(struct kproxy_change *change)
{
	return container_of(change, struct route_change, change);
}

/* The change of a view, if there is one. */
static struct route_change *route_change_of(const struct kproxy_listener *l,
					    const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&l->route_states, view);

	return next ? container_of(next, struct route_change, next.next) : NULL;
}

/* Have @n routes from @from on in the table, from @to on. */
static void routes_copy(struct kproxy_routes *routes, unsigned int to,
			const struct kproxy_routes *old, unsigned int from,
			unsigned int n)
{
	for (; n; n--, to++, from++) {
		routes->route[to] = old->route[from];
		refcount_inc(&routes->route[to]->refs);
		routes->alpn |= *routes->route[to]->key.alpn;
	}
}

static struct kproxy_routes *routes_alloc(unsigned int n)
{
	struct kproxy_routes *routes;

	routes = kvzalloc(struct_size(routes, route, n), GFP_KERNEL_ACCOUNT);
	if (routes)
		routes->n = n;
	return routes;
}

static struct kproxy_route *route_new(const struct kproxy_route_key *key,
				      struct kproxy_upstream *up)
{
	struct kproxy_route *route;

	route = kzalloc(sizeof(*route), GFP_KERNEL_ACCOUNT);
	if (!route)
		return NULL;
	refcount_set(&route->refs, 1);
	kproxy_upstream_hold(up);
	route->upstream = up;
	route->key = *key;
	return route;
}

/* Those of @old and one more, at @place. */
static struct kproxy_routes *routes_with(const struct kproxy_routes *old,
					 unsigned int place,
					 struct kproxy_route *route)
{
	unsigned int n = old ? old->n : 0;
	struct kproxy_routes *routes = routes_alloc(n + 1);

	if (!routes)
		return NULL;
	routes_copy(routes, 0, old, 0, place);
	routes->route[place] = route;
	routes->alpn |= *route->key.alpn;
	routes_copy(routes, place + 1, old, place, n - place);
	return routes;
}

/* Those of @old, which has more than one, but the one at @place. */
static struct kproxy_routes *routes_without(const struct kproxy_routes *old,
					    unsigned int place)
{
	struct kproxy_routes *routes = routes_alloc(old->n - 1);

	if (!routes)
		return NULL;
	routes_copy(routes, 0, old, 0, place);
	routes_copy(routes, place, old, place + 1, routes->n - place);
	return routes;
}

static void routes_count(struct kproxy_change *change, int one)
{
	struct route_change *c = to_route_change(change);

	kproxy_routes_count(c->next.routes, one);
	kproxy_routes_count(rcu_dereference_protected(c->l->routes, true),
			    -one);
}

static void routes_publish(struct kproxy_change *change)
{
	struct route_change *c = to_route_change(change);
	struct kproxy_net *kn = c->l->obj.kn;

	if (c->published)
		return;
	c->published = true;
	c->next.routes = rcu_replace_pointer(c->l->routes, c->next.routes,
					     lockdep_is_held(&kn->lock));
}

/* Announce the routes that were removed and those that were added. */
static void routes_notify(const struct kproxy_listener *l,
			  const struct kproxy_routes *old,
			  const struct kproxy_routes *new)
{
	unsigned int i = 0, j = 0, old_n = old ? old->n : 0;
	unsigned int new_n = new ? new->n : 0;
	int order;

	while (i < old_n || j < new_n) {
		if (i < old_n && j < new_n &&
		    old->route[i] == new->route[j]) {
			i++;
			j++;
			continue;
		}
		order = i == old_n ? 1 : j == new_n ? -1 :
			kproxy_route_compare(&old->route[i]->key,
					     &new->route[j]->key);
		/* Of one that was replaced, its end comes first. */
		if (order <= 0)
			kproxy_events->route(l, old->route[i++],
					     KPROXY_CMD_ROUTE_DEL_NTF);
		else
			kproxy_events->route(l, new->route[j++],
					     KPROXY_CMD_ROUTE_ADD_NTF);
		cond_resched();
	}
}

static void routes_finish(struct kproxy_change *change, bool published)
{
	struct route_change *c = to_route_change(change);

	if (published)
		routes_notify(c->l, c->next.routes,
			      rcu_dereference_protected(c->l->routes, true));
	kproxy_routes_free(c->next.routes);
	kproxy_listener_put(c->l);
	kfree(c);
}

static const struct kproxy_change_ops route_change_ops = {
	.count = routes_count,
	.publish = routes_publish,
	.finish = routes_finish,
};

/* The listener is to have these, which are not the caller's any more. */
static int routes_stage(struct kproxy_view *view, struct kproxy_listener *l,
			struct kproxy_routes *routes)
{
	struct route_change *c = route_change_of(l, view);

	if (c) {
		kproxy_routes_free(c->next.routes);
		c->next.routes = routes;
		return 0;
	}
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c) {
		kproxy_routes_free(routes);
		return -ENOMEM;
	}
	c->l = l;
	kproxy_listener_hold(l);
	c->next.routes = routes;
	c->change = (struct kproxy_change){
		.ops = &route_change_ops,
		.obj = &l->obj,
		.states = &l->route_states,
		.next = &c->next.next,
	};
	kproxy_change_stage(&c->change, view);
	return 0;
}

/**
 * kproxy_route_publish() - have a new listener's routes seen before itself
 * @l: the listener
 * @view: the view, which is being published
 *
 * Context: process.
 */
void kproxy_route_publish(struct kproxy_listener *l,
			  const struct kproxy_view *view)
{
	struct route_change *c = route_change_of(l, view);

	lockdep_assert_held(&l->obj.kn->lock);
	if (c)
		routes_publish(&c->change);
}

/**
 * kproxy_route_add() - lead clients to an upstream
 * @view: the view to add it to
 * @l: the listener that they come to, found there, its namespace's lock held
 * @key: which clients
 * @up: the upstream, found there
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a key that has a route; -ENOSPC; -EDQUOT; -ENOMEM;
 * -EBUSY when the view has deleted the listener.
 */
int kproxy_route_add(struct kproxy_view *view, struct kproxy_listener *l,
		     const struct kproxy_route_key *key,
		     struct kproxy_upstream *up,
		     struct netlink_ext_ack *extack)
{
	const struct kproxy_routes *old = kproxy_routes(l, view);
	struct kproxy_routes *routes;
	struct kproxy_route *route;
	int err;

	if (!kproxy_in_view(&l->obj.states, view))
		return kproxy_change_twice(extack);
	if (kproxy_route_find(l, key, view)) {
		NL_SET_ERR_MSG_FMT(extack, "the listener has a route for %s",
				   kproxy_route_what(key));
		return -EEXIST;
	}
	if (old && old->n == KPROXY_ROUTES_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "a listener has at most %u routes",
				   KPROXY_ROUTES_MAX);
		return -ENOSPC;
	}
	err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_OBJECTS, 1,
				  extack);
	if (err)
		return err;
	route = route_new(key, up);
	if (!route) {
		kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_OBJECTS, 1);
		return -ENOMEM;
	}
	routes = routes_with(old, kproxy_route_place(old, key), route);
	if (!routes) {
		kproxy_route_put(route);
		return -ENOMEM;
	}
	return routes_stage(view, l, routes);
}

/**
 * kproxy_route_del() - remove a route; live sessions go on
 * @view: the view to remove it from
 * @l: its listener, found there, its namespace's lock held
 * @route: the route, found there; the caller's no more after success
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has deleted the listener.
 */
int kproxy_route_del(struct kproxy_view *view, struct kproxy_listener *l,
		     const struct kproxy_route *route,
		     struct netlink_ext_ack *extack)
{
	const struct kproxy_routes *old = kproxy_routes(l, view);
	struct kproxy_routes *routes = NULL;

	if (!kproxy_in_view(&l->obj.states, view))
		return kproxy_change_twice(extack);
	if (old->n > 1) {
		routes = routes_without(old,
					kproxy_route_place(old, &route->key));
		if (!routes)
			return -ENOMEM;
	}
	return routes_stage(view, l, routes);
}
