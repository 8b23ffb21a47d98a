/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ROUTE_H
#define _KPROXY_ROUTE_H

#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "object.h"

struct kproxy_listener;
struct kproxy_upstream;

/* From a server name of TLS to an upstream; constant, in one table or more. */
struct kproxy_route {
	/* held */
	struct kproxy_upstream *upstream;
	/* one for each table */
	refcount_t refs;
	struct rcu_head rcu;
	/* in lower case: a name, or "*." and what a name ends with */
	char sni[KPROXY_SNI_MAX + 1];
};

/* The routes of a listener: a table that never changes; readers under RCU. */
struct kproxy_routes {
	struct rcu_head rcu;
	unsigned int n;
	/* in the order of their names */
	struct kproxy_route *route[] __counted_by(n);
};

/* What a view makes of the routes of a listener. */
struct kproxy_routes_next {
	struct kproxy_next next;
	/* all that there will be; NULL: none */
	struct kproxy_routes *routes;
};

bool kproxy_route_pattern(char *pattern, const char *text);
unsigned int kproxy_route_place(const struct kproxy_routes *routes,
				const char *pattern);
struct kproxy_route *kproxy_route_match(const struct kproxy_routes *routes,
					const char *name);
const struct kproxy_routes *kproxy_routes(const struct kproxy_listener *l,
					  const struct kproxy_view *view);
struct kproxy_route *kproxy_route_find(const struct kproxy_listener *l,
				       const char *pattern,
				       const struct kproxy_view *view);
void kproxy_route_put(struct kproxy_route *route);
void kproxy_routes_free(struct kproxy_routes *routes);
void kproxy_routes_count(const struct kproxy_routes *routes, int one);
const struct kproxy_listener *
kproxy_route_user(const struct kproxy_upstream *up,
		  const struct kproxy_view *view);
struct kproxy_upstream *kproxy_route_upstream(const struct kproxy_listener *l,
					      const char *name);

#endif /* _KPROXY_ROUTE_H */
