// SPDX-License-Identifier: GPL-2.0
/*
 * Routes lead the clients of a listener to an upstream by the server name that
 * they ask for in TLS. They stand in a table in the order of their names, which is
 * replaced as a whole by each change: who looks a name up takes no lock, and needs
 * a binary search for the name and one for each of its dots.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "listener.h"
#include "quota.h"
#include "root.h"
#include "route.h"
#include "upstream.h"

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

/* As kproxy_route_place(), or for "*" with @name behind it. */
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

/**
 * kproxy_route_place() - where a route stands in a table, or where it would
 * @routes: the table, or NULL
 * @pattern: of kproxy_route_pattern()
 *
 * Context: any, under RCU or the configuration lock.
 * Return: its number.
 */
unsigned int kproxy_route_place(const struct kproxy_routes *routes,
				const char *pattern)
{
	return find_place(routes, false, pattern);
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

/**
 * kproxy_routes() - the routes of a listener
 * @l: the listener, its namespace's lock held
 * @view: the view to look in
 *
 * Return: its table in the view, or NULL.
 */
const struct kproxy_routes *kproxy_routes(const struct kproxy_listener *l,
					  const struct kproxy_view *view)
{
	struct kproxy_next *next = kproxy_next(&l->route_states, view);

	lockdep_assert_held(&l->obj.kn->lock);
	if (next)
		return container_of(next, struct kproxy_routes_next,
				    next)->routes;
	return rcu_dereference_protected(l->routes, true);
}

/**
 * kproxy_route_find() - a route of a listener
 * @l: the listener, its namespace's lock held
 * @pattern: of kproxy_route_pattern()
 * @view: the view to look in
 *
 * Return: the route, or NULL.
 */
struct kproxy_route *kproxy_route_find(const struct kproxy_listener *l,
				       const char *pattern,
				       const struct kproxy_view *view)
{
	return find_exact(kproxy_routes(l, view), false, pattern);
}

/**
 * kproxy_route_put() - drop a reference
 * @route: the route; readers under RCU may still look at it
 *
 * Context: any.
 */
void kproxy_route_put(struct kproxy_route *route)
{
	if (!refcount_dec_and_test(&route->refs))
		return;
	kproxy_quota_uncharge(route->upstream->obj.quota, KPROXY_QUOTA_OBJECTS, 1);
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
		kproxy_route_put(routes->route[i]);
	kvfree_rcu(routes, rcu);
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
 * kproxy_route_user() - a listener that has a route to an upstream
 * @up: the upstream, its namespace's lock held
 * @view: the view to look in
 *
 * Context: process, may sleep.
 * Return: the listener, or NULL when there is none.
 */
const struct kproxy_listener *
kproxy_route_user(const struct kproxy_upstream *up,
		  const struct kproxy_view *view)
{
	const struct kproxy_net *kn = up->obj.kn;
	const struct kproxy_listener *l;

	lockdep_assert_held(&kn->lock);
	list_for_each_entry(l, &kn->listeners, obj.node) {
		if (kproxy_in_view(&l->obj.states, view) &&
		    routes_lead(kproxy_routes(l, view), up))
			return l;
		cond_resched();
	}
	return NULL;
}

/**
 * kproxy_routes_count() - count routes with the upstreams that they lead to
 * @routes: the table, or NULL; the configuration lock is held
 * @one: 1, or -1 for routes that are about to go
 *
 * Context: process.
 */
void kproxy_routes_count(const struct kproxy_routes *routes, int one)
{
	unsigned int i;

	for (i = 0; routes && i < routes->n; i++)
		routes->route[i]->upstream->routes += one;
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
	if (route && kproxy_upstream_tryhold(route->upstream))
		up = route->upstream;
	rcu_read_unlock();
	return up;
}
