/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTEN_SOCK_H
#define _KPROXY_LISTEN_SOCK_H

#include <linux/types.h>

struct kproxy_listener;
struct kproxy_listen_sock;
struct kproxy_view;
union kproxy_addr;

struct kproxy_listen_sock *
kproxy_lsocks_new(struct kproxy_listener *l, const union kproxy_addr *addrs,
		  unsigned int n);
int kproxy_lsocks_bind(struct kproxy_listen_sock *lsocks, unsigned int n,
		       bool transparent, struct kproxy_view *view);
void kproxy_lsock_take_over(struct kproxy_listen_sock *lsock);
bool kproxy_lsock_dead(const struct kproxy_listen_sock *lsock);
void kproxy_lsocks_accept(struct kproxy_listen_sock *lsocks, unsigned int n,
			  bool fresh);
void kproxy_lsocks_close(struct kproxy_listen_sock *lsocks, unsigned int n);

#endif /* _KPROXY_LISTEN_SOCK_H */
