/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ROUTE_CHANGE_H
#define _KPROXY_ROUTE_CHANGE_H

struct kproxy_listener;
struct kproxy_route;
struct kproxy_route_key;
struct kproxy_upstream;
struct kproxy_view;
struct netlink_ext_ack;

int kproxy_route_add(struct kproxy_view *view, struct kproxy_listener *l,
		     const struct kproxy_route_key *key,
		     struct kproxy_upstream *up,
		     struct netlink_ext_ack *extack);
int kproxy_route_del(struct kproxy_view *view, struct kproxy_listener *l,
		     const struct kproxy_route *route,
		     struct netlink_ext_ack *extack);
void kproxy_route_publish(struct kproxy_listener *l,
			  const struct kproxy_view *view);

#endif /* _KPROXY_ROUTE_CHANGE_H */
