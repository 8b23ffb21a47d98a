// SPDX-License-Identifier: GPL-2.0
/*
 * Routes lead the clients of a listener to an upstream by the server name that
 * they ask for in TLS. They stand in a table in the order of their names, which is
 * replaced as a whole by each change: who looks a name up takes no lock, and needs
 * a binary search for the name and one for each of its dots.
 *
 * What a transaction makes of the routes of a listener is one change, with the
 * table that there will be. A listener that is deleted keeps its routes until its
 * last session has ended, for clients who have not yet said where they want to go.
 */
#include <linux/errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "listener.h"
#include "netlink.h"
#include "netns.h"
#include "quota.h"
#include "route.h"
#include "transaction.h"
#include "upstream.h"

/* What becomes of the routes of a listener, which is held. */
struct route_change {
	struct kproxy_change change;
	struct kproxy_listener *l;
	bool published;
	/* those that it will have, or once it is published had; NULL: none */
	struct kproxy_routes *routes;
};

/* Without regard to the locale: names are ASCII. */
static bool name_char(char *c)
{
	if (*c >= 'A' && *c <= 'Z')
		*c += 'a' - 'A';
	return (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
	       *c == '-' || *c == '_';
}

/**
 * kproxy_route_pattern() - read which names a route is for
 * @pattern: where it goes in lower case, KPROXY_SNI_MAX + 1 bytes
 * @text: a name, or "*." and what names end with; not longer than that
 *
 * Context: any.
 * Return: false if it is neither.
 */
bool kproxy_route_pattern(char *pattern, const char *text)
{
	char *c = pattern;
	bool label = false;

	strscpy(pattern, text, KPROXY_SNI_MAX + 1);
	if (c[0] == '*' && c[1] == '.')
		c += 2;
	for (; *c; c++) {
		if (*c == '.') {
			if (!label)
				return false;
			label = false;
		} else if (name_char(c)) {
			label = true;
		} else {
			return false;
		}
	}
	return label;
}

/* The order of a pattern and @name, or of it and "*" with @name behind it. */
static int pattern_cmp(const char *pattern, bool star, const char *name)
{
	if (star && *pattern++ != '*')
		return (unsigned char)pattern[-1] - '*';
	return strcmp(pattern, name);
}

/* Where a pattern stands in the table, or where it would. */
static unsigned int find_place(const struct kproxy_routes *routes, bool star,
			       const char *name)
{
	unsigned int low = 0, high = routes ? routes->n : 0;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (pattern_cmp(routes->route[middle]->sni, star, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct kproxy_route *find_exact(const struct kproxy_routes *routes,
				       bool star, const char *name)
{
	unsigned int place = find_place(routes, star, name);

	if (!routes || place == routes->n ||
	    pattern_cmp(routes->route[place]->sni, star, name))
		return NULL;
	return routes->route[place];
}

/**
 * kproxy_route_match() - the route that is meant by a name
 * @routes: the routes, or NULL
 * @name: the name, in lower case
 *
 * The name itself comes first, then the longest end of it.
 *
 * Context: any, under RCU or the configuration lock.
 * Return: the route, or NULL.
 */
struct kproxy_route *kproxy_route_match(const struct kproxy_routes *routes,
					const char *name)
{
	struct kproxy_route *route = find_exact(routes, false, name);
	const char *rest = name;

	/* The star does not stand for nothing. */
	while (!route && *rest && (rest = strchr(rest + 1, '.')))
		route = find_exact(routes, true, rest);
	return route;
}

static struct route_change *to_route_change(struct kproxy_change *change)
{
	return container_of(change, struct route_change, change);
}

/* What has been staged of them, for those who stage. */
static struct route_change *routes_staged(const struct kproxy_listener *l)
{
	if (!l->kn->staging || !l->route_change)
		return NULL;
	return to_route_change(l->route_change);
}

/**
 * kproxy_routes_now() - the routes of a listener
 * @l: the listener, its namespace's lock held
 *
 * Return: those that it has; for those who stage, that it will have; or NULL.
 */
const struct kproxy_routes *kproxy_routes_now(const struct kproxy_listener *l)
{
	const struct route_change *c;

	lockdep_assert_held(&l->kn->lock);
	c = routes_staged(l);
	return c ? c->routes : rcu_dereference_protected(l->routes, true);
}

/**
 * kproxy_route_find() - a route of a listener
 * @l: the listener, its namespace's lock held
 * @pattern: of kproxy_route_pattern()
 *
 * Return: the route, or NULL.
 */
struct kproxy_route *kproxy_route_find(const struct kproxy_listener *l,
				       const char *pattern)
{
	return find_exact(kproxy_routes_now(l), false, pattern);
}

static void route_put(struct kproxy_route *route)
{
	if (!refcount_dec_and_test(&route->refs))
		return;
	kproxy_quota_uncharge(route->upstream->quota, KPROXY_QUOTA_OBJECTS, 1);
	kproxy_upstream_put(route->upstream);
	kfree_rcu(route, rcu);
}

/**
 * kproxy_routes_free() - free a table that nobody finds any more
 * @routes: the table, or NULL; readers under RCU may still look at it
 *
 * Context: any.
 */
void kproxy_routes_free(struct kproxy_routes *routes)
{
	unsigned int i;

	if (!routes)
		return;
	for (i = 0; i < routes->n; i++)
		route_put(routes->route[i]);
	kvfree_rcu(routes, rcu);
}

/* Have @n routes from @from on in the table, from @to on. */
static void routes_copy(struct kproxy_routes *routes, unsigned int to,
			const struct kproxy_routes *old, unsigned int from,
			unsigned int n)
{
	for (; n; n--, to++, from++) {
		routes->route[to] = old->route[from];
		refcount_inc(&routes->route[to]->refs);
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

static struct kproxy_route *route_new(const char *pattern,
				      struct kproxy_upstream *up)
{
	struct kproxy_route *route;

	route = kzalloc(sizeof(*route), GFP_KERNEL_ACCOUNT);
	if (!route)
		return NULL;
	refcount_set(&route->refs, 1);
	kproxy_upstream_hold(up);
	route->upstream = up;
	strscpy(route->sni, pattern, sizeof(route->sni));
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

static int routes_prepare(struct kproxy_change *change,
			  struct netlink_ext_ack *extack)
{
	return 0;
}

/* Add @one, 1 or -1, to the route count of each upstream. */
static void routes_count(const struct kproxy_routes *routes, int one)
{
	unsigned int i;

	for (i = 0; routes && i < routes->n; i++)
		routes->route[i]->upstream->routes += one;
}

static void routes_publish(struct kproxy_change *change)
{
	struct route_change *c = to_route_change(change);
	struct kproxy_net *kn = c->l->kn;

	if (c->published)
		return;
	c->published = true;
	routes_count(c->routes, 1);
	kproxy_route_unlink(c->l);
	c->routes = rcu_replace_pointer(c->l->routes, c->routes,
					lockdep_is_held(&kn->lock));
	kproxy_net_changed(kn);
}

/* Announce the routes that were and are no more, and those that are new. */
static void routes_tell(const struct kproxy_listener *l,
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
			strcmp(old->route[i]->sni, new->route[j]->sni);
		/* Of one that was replaced, its end comes first. */
		if (order <= 0)
			kproxy_netlink_route_event(l, old->route[i++],
						   KPROXY_CMD_ROUTE_DEL_NTF);
		else
			kproxy_netlink_route_event(l, new->route[j++],
						   KPROXY_CMD_ROUTE_ADD_NTF);
		cond_resched();
	}
}

static void routes_finish(struct kproxy_change *change, bool published)
{
	struct route_change *c = to_route_change(change);

	if (published)
		routes_tell(c->l, c->routes,
			    rcu_dereference_protected(c->l->routes, true));
	kproxy_routes_free(c->routes);
	kproxy_listener_put(c->l);
	kfree(c);
}

static const struct kproxy_change_ops route_change_ops = {
	.prepare = routes_prepare,
	.publish = routes_publish,
	.finish = routes_finish,
};

/* The listener is to have these, which are not the caller's any more. */
static int routes_submit(struct kproxy_listener *l,
			 struct kproxy_routes *routes,
			 struct netlink_ext_ack *extack)
{
	struct route_change *c = routes_staged(l);

	/* It is part of a transaction already. */
	if (c) {
		kproxy_routes_free(c->routes);
		c->routes = routes;
		return 0;
	}
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c) {
		kproxy_routes_free(routes);
		return -ENOMEM;
	}
	c->l = l;
	kproxy_listener_hold(l);
	c->routes = routes;
	kproxy_change_init(&c->change, &route_change_ops, &l->route_change);
	return kproxy_change_submit(l->kn, &c->change, extack);
}

/**
 * kproxy_route_publish() - have a new listener's routes seen before itself
 * @l: the listener, of a transaction that is being published
 *
 * Context: process.
 */
void kproxy_route_publish(struct kproxy_listener *l)
{
	lockdep_assert_held(&l->kn->lock);
	if (l->route_change)
		routes_publish(l->route_change);
}

/**
 * kproxy_route_add() - lead clients who ask for a name to an upstream
 * @l: the listener that they come to, its namespace's lock held
 * @pattern: of kproxy_route_pattern()
 * @up: the upstream
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a pattern that has a route; -ENOSPC; -EDQUOT; -ENOMEM; of
 * a transaction also -EBUSY when it deletes the listener, or -ESTALE.
 */
int kproxy_route_add(struct kproxy_listener *l, const char *pattern,
		     struct kproxy_upstream *up, struct netlink_ext_ack *extack)
{
	const struct kproxy_routes *old = kproxy_routes_now(l);
	bool staging = l->kn->staging;
	struct kproxy_routes *routes;
	struct kproxy_route *route;
	int err;

	if (l->kn->staging && kproxy_listener_goes(l))
		return kproxy_change_twice(extack);
	if (kproxy_route_find(l, pattern)) {
		NL_SET_ERR_MSG(extack, "the listener has a route for this name");
		return -EEXIST;
	}
	if (old && old->n == KPROXY_ROUTES_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "a listener has at most %u routes",
				   KPROXY_ROUTES_MAX);
		return -ENOSPC;
	}
	err = kproxy_quota_charge(up->quota, KPROXY_QUOTA_OBJECTS, 1, extack);
	if (err)
		return err;
	route = route_new(pattern, up);
	if (!route) {
		kproxy_quota_uncharge(up->quota, KPROXY_QUOTA_OBJECTS, 1);
		return -ENOMEM;
	}
	routes = routes_with(old, find_place(old, false, pattern), route);
	if (!routes) {
		route_put(route);
		return -ENOMEM;
	}
	err = routes_submit(l, routes, extack);
	if (!err && staging)
		kproxy_upstream_stage(up, 0, 1);
	return err;
}

/**
 * kproxy_route_del() - remove a route; live sessions go on
 * @l: its listener, its namespace's lock held
 * @route: the route; the caller's no more after success
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; of a transaction also -EBUSY when it deletes the listener,
 * or -ESTALE.
 */
int kproxy_route_del(struct kproxy_listener *l,
		     const struct kproxy_route *route,
		     struct netlink_ext_ack *extack)
{
	const struct kproxy_routes *old = kproxy_routes_now(l);
	struct kproxy_upstream *up = route->upstream;
	struct kproxy_routes *routes = NULL;
	bool staging = l->kn->staging;
	int err;

	if (l->kn->staging && kproxy_listener_goes(l))
		return kproxy_change_twice(extack);
	if (old->n > 1) {
		routes = routes_without(old,
					find_place(old, false, route->sni));
		if (!routes)
			return -ENOMEM;
	}
	/* It may be freed by this; its upstream is in the configuration. */
	err = routes_submit(l, routes, extack);
	if (!err && staging)
		kproxy_upstream_stage(up, 0, -1);
	return err;
}

static bool routes_lead(const struct kproxy_routes *routes,
			const struct kproxy_upstream *up)
{
	unsigned int i;

	for (i = 0; routes && i < routes->n; i++)
		if (routes->route[i]->upstream == up)
			return true;
	return false;
}

/**
 * kproxy_route_unlink() - take a listener's routes out of their upstreams' counts
 * @l: the listener, its namespace's lock held; its routes are about to be replaced,
 *	or the listener is about to be deleted
 *
 * Context: process.
 */
void kproxy_route_unlink(const struct kproxy_listener *l)
{
	lockdep_assert_held(&l->kn->lock);
	routes_count(rcu_dereference_protected(l->routes, true), -1);
}

/**
 * kproxy_route_stage_gone() - stage the deletion of a listener's routes
 * @l: the listener, its namespace's lock held
 *
 * Context: process.
 */
void kproxy_route_stage_gone(const struct kproxy_listener *l)
{
	const struct kproxy_routes *routes;
	unsigned int i;

	lockdep_assert_held(&l->kn->lock);
	routes = rcu_dereference_protected(l->routes, true);
	for (i = 0; routes && i < routes->n; i++)
		kproxy_upstream_stage(routes->route[i]->upstream, 0, -1);
}

/**
 * kproxy_route_user() - a listener that has a route to an upstream
 * @up: the upstream, its namespace's lock held
 *
 * Context: process, may sleep.
 * Return: the listener, or NULL when there is none.
 */
const struct kproxy_listener *kproxy_route_user(const struct kproxy_upstream *up)
{
	const struct kproxy_net *kn = up->kn;
	const struct kproxy_listener *l;

	lockdep_assert_held(&kn->lock);
	list_for_each_entry(l, &kn->listeners, node) {
		if (routes_lead(rcu_dereference_protected(l->routes, true),
				up))
			return l;
		cond_resched();
	}
	return NULL;
}

/**
 * kproxy_route_upstream() - where a client goes by the name that it asks for
 * @l: the listener that it came to, held
 * @name: the name, in lower case
 *
 * Context: any.
 * Return: the upstream, held, or NULL when no route is for the name.
 */
struct kproxy_upstream *kproxy_route_upstream(const struct kproxy_listener *l,
					      const char *name)
{
	struct kproxy_upstream *up = NULL;
	const struct kproxy_route *route;

	rcu_read_lock();
	route = kproxy_route_match(rcu_dereference(l->routes), name);
	/* A route that was just deleted may have let go of it. */
	if (route && refcount_inc_not_zero(&route->upstream->refs))
		up = route->upstream;
	rcu_read_unlock();
	return up;
}
