/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ROUTE_H
#define _KPROXY_ROUTE_H

#include <linux/in6.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "object.h"

struct kproxy_listener;
struct kproxy_upstream;

/* Which clients a route is for: all that is given must match. */
struct kproxy_route_key {
	/* in lower case: a name, or "*." and what a name ends with; or empty */
	char sni[KPROXY_SNI_MAX + 1];
	/* a protocol that the client offers, or empty */
	char alpn[KPROXY_ALPN_MAX + 1];
	/* the client's network, IPv4 mapped; of length 0 if there is none */
	struct in6_addr from;
	u8 from_len;
	/* the port that the client connected to, or 0 */
	u16 port;
};

/* What a client is routed by. */
struct kproxy_route_client {
	/* in lower case, or empty */
	const char *sni;
	/* protocols as of KPROXY_HELLO_ALPN, or empty */
	const char *alpn;
	const union kproxy_addr *from;
	u16 port;
};

/* From clients to an upstream; constant, in one table or more. */
struct kproxy_route {
	/* held */
	struct kproxy_upstream *upstream;
	/* one for each table */
	refcount_t refs;
	struct rcu_head rcu;
	struct kproxy_route_key key;
};

/* The routes of a listener: a table that never changes; readers under RCU. */
struct kproxy_routes {
	struct rcu_head rcu;
	unsigned int n;
	/* some of them are for a protocol */
	bool alpn;
	/* by kproxy_route_compare() */
	struct kproxy_route *route[] __counted_by(n);
};

/* What a view makes of the routes of a listener. */
struct kproxy_routes_next {
	struct kproxy_next next;
	/* all that there will be; NULL: none */
	struct kproxy_routes *routes;
};

bool kproxy_route_pattern(char *pattern, const char *text);
void kproxy_route_set_from(struct kproxy_route_key *key,
			   const union kproxy_addr *addr, unsigned int len);
void kproxy_route_get_from(const struct kproxy_route_key *key,
			   union kproxy_addr *addr, unsigned int *len);
const char *kproxy_route_what(const struct kproxy_route_key *key);
int kproxy_route_compare(const struct kproxy_route_key *a,
			 const struct kproxy_route_key *b);
unsigned int kproxy_route_place(const struct kproxy_routes *routes,
				const struct kproxy_route_key *key);
struct kproxy_route *kproxy_route_match(const struct kproxy_routes *routes,
					const struct kproxy_route_client *client);
const struct kproxy_routes *kproxy_routes(const struct kproxy_listener *l,
					  const struct kproxy_view *view);
struct kproxy_route *kproxy_route_find(const struct kproxy_listener *l,
				       const struct kproxy_route_key *key,
				       const struct kproxy_view *view);
void kproxy_route_put(struct kproxy_route *route);
void kproxy_routes_free(struct kproxy_routes *routes);
void kproxy_routes_count(const struct kproxy_routes *routes, int one);
const struct kproxy_listener *
kproxy_route_user(const struct kproxy_upstream *up,
		  const struct kproxy_view *view);
bool kproxy_route_wants(const struct kproxy_listener *l,
			const struct kproxy_route_client *client, bool *alpn);
struct kproxy_upstream *
kproxy_route_upstream(const struct kproxy_listener *l,
		      const struct kproxy_route_client *client);

#endif /* _KPROXY_ROUTE_H */
