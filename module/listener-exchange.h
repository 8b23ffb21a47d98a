/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTENER_EXCHANGE_H
#define _KPROXY_LISTENER_EXCHANGE_H

struct kproxy_listen_sock;
struct kproxy_listener;
struct kproxy_listener_change;
struct kproxy_view;
struct netlink_ext_ack;
union kproxy_addr;

int kproxy_exchange_new(struct kproxy_listener_change *c,
			struct kproxy_view *view,
			const union kproxy_addr *addrs, unsigned int n,
			struct netlink_ext_ack *extack);
int kproxy_exchange_prepare(struct kproxy_listener_change *c,
			    struct netlink_ext_ack *extack);
void kproxy_exchange_undo(struct kproxy_listener_change *c);
void kproxy_exchange_swap(struct kproxy_listener *l,
			  struct kproxy_listen_sock **lsocks, unsigned int *n);
void kproxy_exchange_publish(struct kproxy_listener_change *c);

#endif /* _KPROXY_LISTENER_EXCHANGE_H */
