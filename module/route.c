// SPDX-License-Identifier: GPL-2.0
/*
 * Routes lead the clients of a listener to an upstream, by the server name and the
 * protocols that they ask for in TLS, by their network and by the port that they
 * connected to. They are a sorted table, which each change replaces as a whole: a
 * lookup takes no lock, and needs a binary search for the name and one for each of
 * its dots. The routes of one name are compared one by one.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/ipv6.h>

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

static void map_addr(struct in6_addr *to, const union kproxy_addr *addr)
{
	if (addr->sa.sa_family == AF_INET6)
		*to = addr->v6.sin6_addr;
	else
		ipv6_addr_set_v4mapped(addr->v4.sin_addr.s_addr, to);
}

/**
 * kproxy_route_set_from() - set the network that a route is for
 * @key: the route's key
 * @addr: an address of the network
 * @len: length of its prefix, 0 for all addresses of all families
 *
 * Context: any.
 */
void kproxy_route_set_from(struct kproxy_route_key *key,
			   const union kproxy_addr *addr, unsigned int len)
{
	struct in6_addr all;

	if (addr->sa.sa_family == AF_INET)
		len += 96;
	map_addr(&all, addr);
	ipv6_addr_prefix(&key->from, &all, len);
	key->from_len = len;
}

/**
 * kproxy_route_get_from() - return the network that a route is for
 * @key: the route's key, which has one
 * @addr: where the address is stored
 * @len: where the length of its prefix is stored
 *
 * Context: any.
 */
void kproxy_route_get_from(const struct kproxy_route_key *key,
			   union kproxy_addr *addr, unsigned int *len)
{
	memset(addr, 0, sizeof(*addr));
	*len = key->from_len;
	if (*len < 96 || !ipv6_addr_v4mapped(&key->from)) {
		addr->v6.sin6_family = AF_INET6;
		addr->v6.sin6_addr = key->from;
		return;
	}
	*len -= 96;
	addr->v4.sin_family = AF_INET;
	addr->v4.sin_addr.s_addr = key->from.s6_addr32[3];
}

/**
 * kproxy_route_what() - which clients a route is for, in a message
 * @key: the route's key
 *
 * Context: any.
 * Return: what to call them.
 */
const char *kproxy_route_what(const struct kproxy_route_key *key)
{
	if (!*key->alpn && !key->from_len && !key->port)
		return "this name";
	return "these clients";
}

/* A route with a criterion comes before one without. */
static int compare_given(bool a, bool b)
{
	return (int)b - (int)a;
}

/**
 * kproxy_route_compare() - the order of two routes
 * @a: the key of one
 * @b: the key of the other
 *
 * By name; of one name, the more specific comes first: a protocol, then the longer
 * network, then a port.
 *
 * Context: any.
 * Return: negative, 0 or positive.
 */
int kproxy_route_compare(const struct kproxy_route_key *a,
			 const struct kproxy_route_key *b)
{
	return strcmp(a->sni, b->sni) ?:
	       compare_given(*a->alpn, *b->alpn) ?:
	       strcmp(a->alpn, b->alpn) ?:
	       (int)b->from_len - (int)a->from_len ?:
	       memcmp(&a->from, &b->from, sizeof(a->from)) ?:
	       compare_given(a->port, b->port) ?:
	       (int)a->port - (int)b->port;
}

/**
 * kproxy_route_place() - where a route stands in a table, or where it would
 * @routes: the table, or NULL
 * @key: its key
 *
 * Context: any, under RCU or the configuration lock.
 * Return: its number.
 */
unsigned int kproxy_route_place(const struct kproxy_routes *routes,
				const struct kproxy_route_key *key)
{
	unsigned int low = 0, high = routes ? routes->n : 0;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (kproxy_route_compare(&routes->route[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The order of a pattern and @name, or of it and "*" with @name behind it. */
static int pattern_cmp(const char *pattern, bool star, const char *name)
{
	if (star && *pattern++ != '*')
		return (unsigned char)pattern[-1] - '*';
	return strcmp(pattern, name);
}

/* The first route of a pattern, or of "*" with @name behind it. */
static unsigned int find_first(const struct kproxy_routes *routes, bool star,
			       const char *name)
{
	unsigned int low = 0, high = routes->n;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (pattern_cmp(routes->route[middle]->key.sni, star, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether a route is for a client, by the network and port that it comes from. */
static bool match_from(const struct kproxy_route_key *key,
		       const struct in6_addr *from, u16 port)
{
	return (!key->port || key->port == port) &&
	       (!key->from_len ||
		ipv6_prefix_equal(&key->from, from, key->from_len));
}

/* A protocol of a list, or of the routes that are for any. */
static bool match_alpn(const struct kproxy_route_key *key, const char *protocol)
{
	u8 len = protocol ? *protocol : 0;

	if (!len)
		return !*key->alpn;
	return strlen(key->alpn) == len && !memcmp(key->alpn, protocol + 1, len);
}

/* The most specific route of a pattern, the client's first protocol first. */
static struct kproxy_route *find_best(const struct kproxy_routes *routes,
				      bool star, const char *name,
				      const struct kproxy_route_client *client)
{
	unsigned int first = find_first(routes, star, name), i;
	const char *protocol = client->alpn;
	const struct kproxy_route_key *key;
	struct in6_addr from;

	map_addr(&from, client->from);
	do {
		for (i = first; i < routes->n; i++) {
			key = &routes->route[i]->key;
			if (pattern_cmp(key->sni, star, name))
				break;
			if (match_alpn(key, protocol) &&
			    match_from(key, &from, client->port))
				return routes->route[i];
		}
		if (!*protocol)
			return NULL;
		protocol += 1 + (u8)*protocol;
	} while (true);
}

/**
 * kproxy_route_match() - the route that is meant by a client
 * @routes: the routes, or NULL
 * @client: what is known of the client
 *
 * Routes for its name come first, then those for the longest end of it, then those
 * for any name.
 *
 * Context: any, under RCU or the configuration lock.
 * Return: the route, or NULL.
 */
struct kproxy_route *kproxy_route_match(const struct kproxy_routes *routes,
					const struct kproxy_route_client *client)
{
	struct kproxy_route *route = NULL;
	const char *rest = client->sni;

	if (!routes)
		return NULL;
	if (*rest)
		route = find_best(routes, false, rest, client);
	/* The star does not stand for nothing. */
	while (!route && *rest && (rest = strchr(rest + 1, '.')))
		route = find_best(routes, true, rest, client);
	return route ?: find_best(routes, false, "", client);
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
 * @key: its key
 * @view: the view to look in
 *
 * Return: the route, or NULL.
 */
struct kproxy_route *kproxy_route_find(const struct kproxy_listener *l,
				       const struct kproxy_route_key *key,
				       const struct kproxy_view *view)
{
	const struct kproxy_routes *routes = kproxy_routes(l, view);
	unsigned int place = kproxy_route_place(routes, key);

	if (!routes || place == routes->n ||
	    kproxy_route_compare(&routes->route[place]->key, key))
		return NULL;
	return routes->route[place];
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
 * kproxy_route_wants() - whether a client's ClientHello must be waited for
 * @l: the listener that it came to, held
 * @client: the client's address and port; its name and protocols are not read
 * @alpn: where it is stored whether its protocols matter
 *
 * Context: any.
 * Return: true if there is a route for a name or a protocol that it may take.
 */
bool kproxy_route_wants(const struct kproxy_listener *l,
			const struct kproxy_route_client *client, bool *alpn)
{
	const struct kproxy_routes *routes;
	const struct kproxy_route_key *key;
	bool wants = false;
	struct in6_addr from;
	unsigned int i;

	*alpn = false;
	map_addr(&from, client->from);
	rcu_read_lock();
	routes = rcu_dereference(l->routes);
	for (i = 0; routes && i < routes->n; i++) {
		key = &routes->route[i]->key;
		if (!(*key->sni || *key->alpn) ||
		    !match_from(key, &from, client->port))
			continue;
		wants = true;
		*alpn |= *key->alpn;
		if (*alpn || !routes->alpn)
			break;
	}
	rcu_read_unlock();
	return wants;
}

/**
 * kproxy_route_upstream() - where a client goes
 * @l: the listener that it came to, held
 * @client: what is known of the client
 *
 * Context: any.
 * Return: the upstream, held, or NULL when no route is for the client.
 */
struct kproxy_upstream *
kproxy_route_upstream(const struct kproxy_listener *l,
		      const struct kproxy_route_client *client)
{
	struct kproxy_upstream *up = NULL;
	const struct kproxy_route *route;

	rcu_read_lock();
	route = kproxy_route_match(rcu_dereference(l->routes), client);
	/* A route that was just deleted may have let go of it. */
	if (route && kproxy_upstream_tryhold(route->upstream))
		up = route->upstream;
	rcu_read_unlock();
	return up;
}
