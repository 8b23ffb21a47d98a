/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ADDR_H
#define _KPROXY_ADDR_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/socket.h>
#include <linux/types.h>

struct sock;

/* An IPv4 or IPv6 address and port; AF_UNSPEC means any address of both. */
union kproxy_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

void kproxy_addr_local(union kproxy_addr *addr, const struct sock *sk);
void kproxy_addr_peer(union kproxy_addr *addr, const struct sock *sk);
void kproxy_addr_mapped(const union kproxy_addr *addr, struct in6_addr *mapped);
bool kproxy_addr_equal(const union kproxy_addr *a, const union kproxy_addr *b);
bool kproxy_addr_in_prefix(const union kproxy_addr *addr,
			   const union kproxy_addr *net, unsigned int bits);
bool kproxy_addr_sendable(const union kproxy_addr *addr);
bool kproxy_addr_connectable(const union kproxy_addr *addr);
unsigned int kproxy_addr_bits(const union kproxy_addr *addr);
unsigned int kproxy_addr_size(const union kproxy_addr *addr);
__be16 kproxy_addr_port(const union kproxy_addr *addr);

#endif /* _KPROXY_ADDR_H */
