/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_UPSTREAM_CHANGE_H
#define _KPROXY_UPSTREAM_CHANGE_H

struct kproxy_net;
struct kproxy_server;
struct kproxy_server_options;
struct kproxy_upstream;
struct kproxy_upstream_options;
struct kproxy_view;
struct netlink_ext_ack;
union kproxy_addr;

int kproxy_upstream_add(struct kproxy_view *view, const char *name,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack);
int kproxy_upstream_set(struct kproxy_view *view, struct kproxy_upstream *up,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack);
int kproxy_upstream_del(struct kproxy_view *view, struct kproxy_upstream *up,
			struct netlink_ext_ack *extack);
int kproxy_server_add(struct kproxy_view *view, struct kproxy_upstream *up,
		      const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack);
int kproxy_server_set(struct kproxy_view *view, struct kproxy_server *server,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack);
int kproxy_server_del(struct kproxy_view *view, struct kproxy_server *server,
		      struct netlink_ext_ack *extack);
void kproxy_upstream_del_all(struct kproxy_net *kn);
void kproxy_upstream_stop_all(struct kproxy_net *kn);

#endif /* _KPROXY_UPSTREAM_CHANGE_H */
