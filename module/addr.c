// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses. A dual-stack listener's socket uses IPv4-mapped IPv6 addresses for
 * IPv4. They are converted to plain IPv4 here, so that a host has the same
 * address whichever listener it came through.
 */
#include <linux/inetdevice.h>
#include <linux/string.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>

#include "addr.h"
#include "compat.h"

static void addr_set_v4(union kproxy_addr *addr, __be32 ip, __be16 port)
{
	addr->v4.sin_family = AF_INET;
	addr->v4.sin_addr.s_addr = ip;
	addr->v4.sin_port = port;
}

static void addr_set(union kproxy_addr *addr, const struct sock *sk,
		     const struct in6_addr *ip6, __be32 ip4, __be16 port)
{
	memset(addr, 0, sizeof(*addr));
	if (sk->sk_family == AF_INET) {
		addr_set_v4(addr, ip4, port);
		return;
	}
	if (ipv6_addr_v4mapped(ip6)) {
		addr_set_v4(addr, ip6->s6_addr32[3], port);
		return;
	}
	addr->v6.sin6_family = AF_INET6;
	addr->v6.sin6_addr = *ip6;
	addr->v6.sin6_port = port;
	addr->v6.sin6_scope_id = ipv6_iface_scope_id(ip6, sk->sk_bound_dev_if);
}

/**
 * kproxy_addr_local() - get the local address of a connected socket
 * @addr: where it is stored
 * @sk: the socket
 *
 * Context: any.
 */
void kproxy_addr_local(union kproxy_addr *addr, const struct sock *sk)
{
	addr_set(addr, sk, kproxy_v6_rcv_saddr(sk), sk->sk_rcv_saddr,
		 inet_sk(sk)->inet_sport);
}

/**
 * kproxy_addr_peer() - get the peer's address of a connected socket
 * @addr: where it is stored
 * @sk: the socket
 *
 * Context: any.
 */
void kproxy_addr_peer(union kproxy_addr *addr, const struct sock *sk)
{
	addr_set(addr, sk, kproxy_v6_daddr(sk), sk->sk_daddr, sk->sk_dport);
}

/**
 * kproxy_addr_mapped() - convert an address of either family to IPv6
 * @addr: the address
 * @mapped: where it is stored
 *
 * Context: any.
 */
void kproxy_addr_mapped(const union kproxy_addr *addr, struct in6_addr *mapped)
{
	if (addr->sa.sa_family == AF_INET6)
		*mapped = addr->v6.sin6_addr;
	else
		ipv6_addr_set_v4mapped(addr->v4.sin_addr.s_addr, mapped);
}

/**
 * kproxy_addr_equal() - compare two addresses, with port and scope
 * @a: one address
 * @b: the other
 *
 * Context: any.
 * Return: true if they are equal.
 */
bool kproxy_addr_equal(const union kproxy_addr *a, const union kproxy_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family ||
	    kproxy_addr_port(a) != kproxy_addr_port(b))
		return false;
	switch (a->sa.sa_family) {
	case AF_INET:
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	case AF_INET6:
		return ipv6_addr_equal(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
	default:
		return true;
	}
}

/**
 * kproxy_addr_in_prefix() - check whether an address lies in a network
 * @addr: the address; its port is ignored
 * @net: any address of the network
 * @bits: prefix length, at most kproxy_addr_bits() of @net
 *
 * Context: any.
 * Return: true if it does.
 */
bool kproxy_addr_in_prefix(const union kproxy_addr *addr,
			   const union kproxy_addr *net, unsigned int bits)
{
	if (addr->sa.sa_family != net->sa.sa_family)
		return false;
	if (addr->sa.sa_family == AF_INET6)
		return ipv6_prefix_equal(&addr->v6.sin6_addr,
					 &net->v6.sin6_addr, bits);
	return !((addr->v4.sin_addr.s_addr ^ net->v4.sin_addr.s_addr) &
		 inet_make_mask(bits));
}

/**
 * kproxy_addr_sendable() - check whether a connection can have an address
 * @addr: the address; its port is ignored
 *
 * Context: any.
 * Return: false for wildcard, multicast and broadcast addresses.
 */
bool kproxy_addr_sendable(const union kproxy_addr *addr)
{
	switch (addr->sa.sa_family) {
	case AF_INET:
		return !ipv4_is_zeronet(addr->v4.sin_addr.s_addr) &&
		       !ipv4_is_multicast(addr->v4.sin_addr.s_addr) &&
		       !ipv4_is_lbcast(addr->v4.sin_addr.s_addr);
	case AF_INET6:
		return !ipv6_addr_any(&addr->v6.sin6_addr) &&
		       !ipv6_addr_is_multicast(&addr->v6.sin6_addr) &&
		       !ipv6_addr_v4mapped(&addr->v6.sin6_addr);
	default:
		return false;
	}
}

/**
 * kproxy_addr_connectable() - check whether a server can have an address
 * @addr: the address
 *
 * Context: any.
 * Return: false without a port, and for wildcard, multicast and broadcast
 * addresses.
 */
bool kproxy_addr_connectable(const union kproxy_addr *addr)
{
	return kproxy_addr_port(addr) && kproxy_addr_sendable(addr);
}

/**
 * kproxy_addr_bits() - return the length of an address
 * @addr: the address
 *
 * Context: any.
 * Return: its length in bits, 0 for AF_UNSPEC.
 */
unsigned int kproxy_addr_bits(const union kproxy_addr *addr)
{
	switch (addr->sa.sa_family) {
	case AF_INET:
		return 32;
	case AF_INET6:
		return 128;
	default:
		return 0;
	}
}

/**
 * kproxy_addr_size() - return the size of an address for bind and connect
 * @addr: the address
 *
 * Context: any.
 * Return: the size of its struct sockaddr, in bytes.
 */
unsigned int kproxy_addr_size(const union kproxy_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? sizeof(addr->v6) :
						sizeof(addr->v4);
}

/**
 * kproxy_addr_port() - return the port of an address
 * @addr: the address, of any family
 *
 * Context: any.
 * Return: the port, in network byte order.
 */
__be16 kproxy_addr_port(const union kproxy_addr *addr)
{
	BUILD_BUG_ON(offsetof(struct sockaddr_in, sin_port) !=
		     offsetof(struct sockaddr_in6, sin6_port));
	return addr->v4.sin_port;
}
