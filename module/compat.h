/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the kernels that kproxy builds for (6.12 and later).
 * Code elsewhere is written for the newest one.
 *
 * Stable releases and distributions backport, so a version says little. Macros
 * are looked for here; KPROXY_HAVE_* are what module/Kbuild finds in the headers.
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

/* Flags of a mapping were an unsigned long. */
#ifdef EMPTY_VMA_FLAGS
#define KPROXY_NORESERVE mk_vma_flags(VMA_NORESERVE_BIT)
#else
#define KPROXY_NORESERVE VM_NORESERVE
#endif

/*
 * The IPv6 addresses of a socket, which only one of AF_INET6 is asked for. Without
 * IPv6 there is none, and struct sock has no room for them.
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
