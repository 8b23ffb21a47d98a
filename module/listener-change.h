/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTENER_CHANGE_H
#define _KPROXY_LISTENER_CHANGE_H

#include <linux/types.h>

struct kproxy_listener;
struct kproxy_listener_options;
struct kproxy_net;
struct kproxy_upstream;
struct kproxy_view;
struct netlink_ext_ack;
union kproxy_addr;

int kproxy_listener_add(struct kproxy_view *view, const char *name,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack);
int kproxy_listener_set(struct kproxy_view *view, struct kproxy_listener *l,
			const union kproxy_addr *addrs, unsigned int nr_addrs,
			struct kproxy_upstream *upstream,
			const struct kproxy_listener_options *options,
			struct netlink_ext_ack *extack);
int kproxy_listener_del(struct kproxy_view *view, struct kproxy_listener *l,
			bool kill, struct netlink_ext_ack *extack);
void kproxy_listener_drain(struct kproxy_listener *l, unsigned int rate,
			   unsigned int deadline);
void kproxy_listener_del_all(struct kproxy_net *kn);
void kproxy_listener_init(struct kproxy_net *kn);
void kproxy_listener_stop(struct kproxy_net *kn);

#endif /* _KPROXY_LISTENER_CHANGE_H */
