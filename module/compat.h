/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the kernels that kproxy builds for (6.12 and
 * later). Code elsewhere is written for the newest one.
 */
#ifndef _KPROXY_COMPAT_H
#define _KPROXY_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/net.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
/* A workqueue without WQ_UNBOUND was per CPU, later this has to be said. */
#define WQ_PERCPU 0

/* The table to look in was an argument, too. */
#define __inet_lookup_established(in, ...) ({ \
	const struct net *_net = (in); \
	__inet_lookup_established(_net, _net->ipv4.tcp_death_row.hashinfo, \
				  __VA_ARGS__); })
#define __inet6_lookup_established(in, ...) ({ \
	const struct net *_net = (in); \
	__inet6_lookup_established(_net, _net->ipv4.tcp_death_row.hashinfo, \
				   __VA_ARGS__); })
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
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

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define sockaddr_unsized sockaddr
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define KPROXY_SUBBUF_START_ARGS struct rchan_buf *buf, void *subbuf, \
		void *prev_subbuf, size_t prev_padding
#else
#define KPROXY_SUBBUF_START_ARGS struct rchan_buf *buf, void *subbuf, \
		void *prev_subbuf
#endif

#endif /* _KPROXY_COMPAT_H */
