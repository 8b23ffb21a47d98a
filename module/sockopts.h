/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SOCKOPTS_H
#define _KPROXY_SOCKOPTS_H

#include <linux/types.h>
#include <net/tcp.h>

#include "sock.h"

struct net;
struct netlink_ext_ack;
struct socket;

/* A listener's sockets, with those they accept; or an upstream's. */
enum kproxy_sockopts_side {
	KPROXY_SOCKOPTS_LISTEN,
	KPROXY_SOCKOPTS_CONNECT,

	KPROXY_SOCKOPTS_SIDES
};

/* All options, in the order in which they are set. */
enum kproxy_sockopt {
	KPROXY_SOCKOPT_NODELAY,
	KPROXY_SOCKOPT_KEEPALIVE,
	KPROXY_SOCKOPT_RCVBUF,
	KPROXY_SOCKOPT_SNDBUF,
	KPROXY_SOCKOPT_CONGESTION,
	KPROXY_SOCKOPT_USER_TIMEOUT,
	KPROXY_SOCKOPT_NOTSENT_LOWAT,
	KPROXY_SOCKOPT_DSCP,
	KPROXY_SOCKOPT_MARK,
	KPROXY_SOCKOPT_FASTOPEN,
	KPROXY_SOCKOPT_PACING,

	KPROXY_SOCKOPTS_COUNT
};

/* In seconds; an @idle of 0 switches it off. */
struct kproxy_keepalive {
	u32 idle;
	u32 interval;
	u32 count;
};

/*
 * Options of one side's sockets. Unless noted otherwise, 0 is the kernel's
 * default.
 */
struct kproxy_sockopts {
	u32 nodelay;
	struct kproxy_keepalive keepalive;
	/* in bytes, as for SO_RCVBUF and SO_SNDBUF */
	u32 rcvbuf;
	u32 sndbuf;
	/* padded with zeros, empty for the namespace's default */
	char congestion[TCP_CA_NAME_MAX];
	/* in milliseconds */
	u32 user_timeout;
	/* in bytes */
	u32 notsent_lowat;
	u32 dscp;
	u32 mark;
	u32 fastopen;
	/* in bytes per second, 0 for no limit */
	u64 pacing;
};

#define KPROXY_SOCKOPTS_DEFAULTS {					\
	.nodelay = 1,							\
	.keepalive = {							\
		.idle = KPROXY_KEEPALIVE_IDLE,				\
		.interval = KPROXY_KEEPALIVE_INTERVAL,			\
		.count = KPROXY_KEEPALIVE_COUNT,			\
	},								\
}

/* What all need to know of an option. */
struct kproxy_sockopt_row {
	/* its attributes in messages about listeners and upstreams */
	u16 attrs[KPROXY_SOCKOPTS_SIDES];
	/* of its field in struct kproxy_sockopts, in bytes */
	u16 offset;
	u16 size;
	/* Give a socket the option of @to. */
	int (*set)(struct socket *socket, enum kproxy_sockopts_side side,
		   const struct kproxy_sockopts *to);
};

extern const struct kproxy_sockopt_row kproxy_sockopt_rows[KPROXY_SOCKOPTS_COUNT];

/* The options that kproxy_sock_create() sets. */
extern const struct kproxy_sockopts kproxy_sockopts_defaults;

unsigned long kproxy_sockopts_differ(const struct kproxy_sockopts *a,
				     const struct kproxy_sockopts *b);
int kproxy_sockopts_try(struct net *net, enum kproxy_sockopts_side side,
			const struct kproxy_sockopts *from,
			const struct kproxy_sockopts *to,
			struct netlink_ext_ack *extack,
			enum kproxy_sockopt *bad);
int kproxy_sockopts_apply(struct socket *socket, enum kproxy_sockopts_side side,
			  const struct kproxy_sockopts *from,
			  const struct kproxy_sockopts *to,
			  enum kproxy_sockopt *bad);

#endif /* _KPROXY_SOCKOPTS_H */
