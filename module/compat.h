/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All differences between the kernels that kproxy supports (6.12 and later).
 * Other files are written for the newest one.
 *
 * Stable releases and distributions backport, so versions say little. This file
 * tests for macros; module/Kbuild finds KPROXY_HAVE_* in the headers.
 */
#ifndef _KPROXY_COMPAT_H
#define _KPROXY_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/kconfig.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>

/* Without it, a workqueue that is not WQ_UNBOUND is per CPU. */
#ifndef KPROXY_HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

/* 6.12.118 has the flag, but alloc_workqueue() refuses it with WQ_BH. */
#define KPROXY_WQ_BH_PERCPU (WQ_BH | (WQ_PERCPU & __WQ_BH_ALLOWS))

#ifdef KPROXY_HAVE_LOOKUP_HASHINFO
#define __inet_lookup_established(in, ...) ({ \
	const struct net *_net = (in); \
	__inet_lookup_established(_net, _net->ipv4.tcp_death_row.hashinfo, \
				  __VA_ARGS__); })
#define __inet6_lookup_established(in, ...) ({ \
	const struct net *_net = (in); \
	__inet6_lookup_established(_net, _net->ipv4.tcp_death_row.hashinfo, \
				   __VA_ARGS__); })
#endif

#ifndef KPROXY_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#ifndef timer_container_of
#define timer_container_of from_timer
#endif

#ifndef KPROXY_HAVE_SOCKADDR_UNSIZED
#define sockaddr_unsized sockaddr
#endif

/* Where it is missing, a socket that is not counted has no passive reference. */
#ifndef KPROXY_HAVE_REFCNT_UPGRADE
#define net_passive_inc(net) ((void)(net))

static inline void sk_net_refcnt_upgrade(struct sock *sk)
{
	struct net *net = sock_net(sk);

	__netns_tracker_free(net, &sk->ns_tracker, false);
	sk->sk_net_refcnt = 1;
	get_net_track(net, &sk->ns_tracker, GFP_KERNEL);
	sock_inuse_add(net, 1);
}
#endif

/* The flags used to be an unsigned long. */
#ifdef EMPTY_VMA_FLAGS
#define KPROXY_NORESERVE mk_vma_flags(VMA_NORESERVE_BIT)
#else
#define KPROXY_NORESERVE VM_NORESERVE
#endif

/*
 * IPv6 addresses of a socket; only call these for AF_INET6. Without CONFIG_IPV6
 * there are no such sockets, and struct sock has no room for the addresses.
 */
static inline const struct in6_addr *kproxy_v6_rcv_saddr(const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	return &sk->sk_v6_rcv_saddr;
#else
	return NULL;
#endif
}

static inline const struct in6_addr *kproxy_v6_daddr(const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	return &sk->sk_v6_daddr;
#else
	return NULL;
#endif
}

#if !IS_ENABLED(CONFIG_IPV6)
#undef __inet6_lookup_established
#define __inet6_lookup_established(...) ((struct sock *)NULL)
#endif

#endif /* _KPROXY_COMPAT_H */
