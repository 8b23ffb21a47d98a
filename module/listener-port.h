/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTENER_PORT_H
#define _KPROXY_LISTENER_PORT_H

#include <linux/types.h>

struct kproxy_listener;
struct kproxy_listener_port;
struct kproxy_view;
union kproxy_addr;

struct kproxy_listener_port *
kproxy_ports_new(struct kproxy_listener *l, const union kproxy_addr *addrs,
		 unsigned int n);
int kproxy_ports_bind(struct kproxy_listener_port *ports, unsigned int n,
		      bool transparent, struct kproxy_view *view);
void kproxy_port_take(struct kproxy_listener_port *port);
bool kproxy_port_dead(const struct kproxy_listener_port *port);
void kproxy_ports_accept(struct kproxy_listener_port *ports, unsigned int n,
			 bool fresh);
void kproxy_ports_close(struct kproxy_listener_port *ports, unsigned int n);

#endif /* _KPROXY_LISTENER_PORT_H */
