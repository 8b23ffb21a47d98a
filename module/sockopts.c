// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options. A socket goes from one set of options to another, and only
 * what differs is set. A new socket starts from the defaults of
 * kproxy_sock_create(), a listening one from its previous options. Accepted
 * sockets inherit the listening socket's options, so clients cost nothing. A
 * socket to a server costs what differs from the defaults.
 *
 * Options are tried out on a temporary socket when they are configured, so that
 * the kernel can refuse them. That also loads a congestion control module. If
 * that was unloaded since, the next connect loads it again, in process context.
 */
#include <linux/bitops.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/sockptr.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <uapi/linux/kproxy.h>

#include "sockopts.h"

/* Maximum; net.core.somaxconn limits each listener. */
#define FASTOPEN_QUEUE 65535

const struct kproxy_sockopts kproxy_sockopts_defaults =
	KPROXY_SOCKOPTS_DEFAULTS;

static int set_option(struct socket *socket, int level, int name, void *value,
		      unsigned int len)
{
	sockptr_t ptr = KERNEL_SOCKPTR(value);

	if (level == SOL_SOCKET)
		return sock_setsockopt(socket, level, name, ptr, len);
	return sock_common_setsockopt(socket, level, name, ptr, len);
}

static int set_int(struct socket *socket, int level, int name, int value)
{
	return set_option(socket, level, name, &value, sizeof(value));
}

static int set_nodelay(struct socket *socket, enum kproxy_sockopts_side side,
		       const struct kproxy_sockopts *to)
{
	return set_int(socket, SOL_TCP, TCP_NODELAY, to->nodelay);
}

static int set_keepalive(struct socket *socket, enum kproxy_sockopts_side side,
			 const struct kproxy_sockopts *to)
{
	const struct kproxy_keepalive *keepalive = &to->keepalive;
	int err;

	err = set_int(socket, SOL_SOCKET, SO_KEEPALIVE, !!keepalive->idle);
	if (err || !keepalive->idle)
		return err;
	err = set_int(socket, SOL_TCP, TCP_KEEPIDLE, keepalive->idle);
	if (!err)
		err = set_int(socket, SOL_TCP, TCP_KEEPINTVL,
			      keepalive->interval);
	if (!err)
		err = set_int(socket, SOL_TCP, TCP_KEEPCNT, keepalive->count);
	return err;
}

/*
 * With CAP_NET_ADMIN in the initial user namespace, set any size. Otherwise
 * sysctls limit it: the kernel caps larger values silently, so fail instead.
 */
static int set_buffer(struct socket *socket, int force, int name, u32 value,
		      const int *got)
{
	int err = set_int(socket, SOL_SOCKET, force, value);

	if (err != -EPERM)
		return err;
	err = set_int(socket, SOL_SOCKET, name, value);
	if (!err && READ_ONCE(*got) < 2 * (int)value)
		err = -EPERM;
	return err;
}

/* Let the kernel choose the size of a buffer again, as for a new socket. */
static void reset_buffer(struct sock *sk, int *size, int value, u8 locked)
{
	lock_sock(sk);
	sk->sk_userlocks &= ~locked;
	WRITE_ONCE(*size, value);
	release_sock(sk);
}

static int set_rcvbuf(struct socket *socket, enum kproxy_sockopts_side side,
		      const struct kproxy_sockopts *to)
{
	struct sock *sk = socket->sk;

	if (to->rcvbuf)
		return set_buffer(socket, SO_RCVBUFFORCE, SO_RCVBUF, to->rcvbuf,
				  &sk->sk_rcvbuf);
	reset_buffer(sk, &sk->sk_rcvbuf,
		     READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_rmem[1]),
		     SOCK_RCVBUF_LOCK);
	return 0;
}

static int set_sndbuf(struct socket *socket, enum kproxy_sockopts_side side,
		      const struct kproxy_sockopts *to)
{
	struct sock *sk = socket->sk;

	if (to->sndbuf)
		return set_buffer(socket, SO_SNDBUFFORCE, SO_SNDBUF, to->sndbuf,
				  &sk->sk_sndbuf);
	reset_buffer(sk, &sk->sk_sndbuf,
		     READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_wmem[1]),
		     SOCK_SNDBUF_LOCK);
	return 0;
}

/*
 * Use the namespace's default; accepted sockets then get the default of their
 * time.
 */
static int reset_congestion(struct socket *socket)
{
	struct sock *sk = socket->sk;
	char name[TCP_CA_NAME_MAX];
	int err;

	rcu_read_lock();
	strscpy(name, rcu_dereference(sock_net(sk)->ipv4.tcp_congestion_control)->name);
	rcu_read_unlock();
	err = set_option(socket, SOL_TCP, TCP_CONGESTION, name, strlen(name));
	if (err)
		return err;
	lock_sock(sk);
	inet_csk(sk)->icsk_ca_setsockopt = 0;
	release_sock(sk);
	return 0;
}

static int set_congestion(struct socket *socket, enum kproxy_sockopts_side side,
			  const struct kproxy_sockopts *to)
{
	char name[TCP_CA_NAME_MAX];

	if (!*to->congestion)
		return reset_congestion(socket);
	strscpy(name, to->congestion);
	return set_option(socket, SOL_TCP, TCP_CONGESTION, name, strlen(name));
}

static int set_user_timeout(struct socket *socket,
			    enum kproxy_sockopts_side side,
			    const struct kproxy_sockopts *to)
{
	return set_int(socket, SOL_TCP, TCP_USER_TIMEOUT, to->user_timeout);
}

static int set_notsent_lowat(struct socket *socket,
			     enum kproxy_sockopts_side side,
			     const struct kproxy_sockopts *to)
{
	return set_int(socket, SOL_TCP, TCP_NOTSENT_LOWAT, to->notsent_lowat);
}

/* A dual-stack socket has IPv4 peers, too. */
static int set_dscp(struct socket *socket, enum kproxy_sockopts_side side,
		    const struct kproxy_sockopts *to)
{
	int err = set_int(socket, SOL_IP, IP_TOS, to->dscp << 2);

	if (!err && socket->sk->sk_family == AF_INET6)
		err = set_int(socket, SOL_IPV6, IPV6_TCLASS, to->dscp << 2);
	return err;
}

static int set_mark(struct socket *socket, enum kproxy_sockopts_side side,
		    const struct kproxy_sockopts *to)
{
	return set_int(socket, SOL_SOCKET, SO_MARK, to->mark);
}

/* If the namespace has disabled Fast Open since, connect normally. */
static int set_fastopen(struct socket *socket, enum kproxy_sockopts_side side,
			const struct kproxy_sockopts *to)
{
	int err;

	if (side == KPROXY_SOCKOPTS_LISTEN)
		return set_int(socket, SOL_TCP, TCP_FASTOPEN,
			       to->fastopen ? FASTOPEN_QUEUE : 0);
	err = set_int(socket, SOL_TCP, TCP_FASTOPEN_CONNECT, to->fastopen);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int set_pacing(struct socket *socket, enum kproxy_sockopts_side side,
		      const struct kproxy_sockopts *to)
{
	unsigned long rate = to->pacing ?: ~0UL;
	int err;

	err = set_option(socket, SOL_SOCKET, SO_MAX_PACING_RATE, &rate,
			 sizeof(rate));
	/* Without a limit, TCP paces only if its algorithm needs it. */
	if (!err && !to->pacing)
		cmpxchg(&socket->sk->sk_pacing_status, SK_PACING_NEEDED,
			SK_PACING_NONE);
	return err;
}

#define ROW(name, field)						\
	[KPROXY_SOCKOPT_##name] = {					\
		.attrs = {						\
			[KPROXY_SOCKOPTS_LISTEN] = KPROXY_A_LISTENER_##name, \
			[KPROXY_SOCKOPTS_CONNECT] = KPROXY_A_UPSTREAM_##name, \
		},							\
		.offset = offsetof(struct kproxy_sockopts, field),	\
		.size = sizeof_field(struct kproxy_sockopts, field),	\
		.set = set_##field,					\
	}

const struct kproxy_sockopt_row kproxy_sockopt_rows[KPROXY_SOCKOPTS_COUNT] = {
	ROW(NODELAY, nodelay),
	ROW(KEEPALIVE, keepalive),
	ROW(RCVBUF, rcvbuf),
	ROW(SNDBUF, sndbuf),
	ROW(CONGESTION, congestion),
	ROW(USER_TIMEOUT, user_timeout),
	ROW(NOTSENT_LOWAT, notsent_lowat),
	ROW(DSCP, dscp),
	ROW(MARK, mark),
	ROW(FASTOPEN, fastopen),
	ROW(PACING, pacing),
};

/**
 * kproxy_sockopts_differ() - compare two sets of options
 * @a: one
 * @b: the other
 *
 * Context: any.
 * Return: a bit for each difference, numbered by enum kproxy_sockopt.
 */
unsigned long kproxy_sockopts_differ(const struct kproxy_sockopts *a,
				     const struct kproxy_sockopts *b)
{
	const struct kproxy_sockopt_row *row;
	unsigned long differ = 0;
	int i;

	for (i = 0; i < KPROXY_SOCKOPTS_COUNT; i++) {
		row = &kproxy_sockopt_rows[i];
		if (memcmp((const void *)a + row->offset,
			   (const void *)b + row->offset, row->size))
			differ |= BIT(i);
	}
	return differ;
}

/**
 * kproxy_sockopts_apply() - change the options of a socket
 * @socket: the socket: listening, or not connected yet
 * @side: what it is for
 * @from: its present options
 * @to: its new options
 * @bad: the option that was refused, on error
 *
 * Context: process, may sleep; without a socket's lock.
 * Return: 0, or the kernel's error for @bad; the options are then those of
 * @from.
 */
int kproxy_sockopts_apply(struct socket *socket, enum kproxy_sockopts_side side,
			  const struct kproxy_sockopts *from,
			  const struct kproxy_sockopts *to,
			  enum kproxy_sockopt *bad)
{
	unsigned long differ = kproxy_sockopts_differ(from, to);
	unsigned long done = 0;
	int i, err;

	for_each_set_bit(i, &differ, KPROXY_SOCKOPTS_COUNT) {
		done |= BIT(i);
		err = kproxy_sockopt_rows[i].set(socket, side, to);
		if (err)
			goto err_undo;
	}
	return 0;

err_undo:
	*bad = i;
	/* This can't fail, because they were in force before. */
	for_each_set_bit(i, &done, KPROXY_SOCKOPTS_COUNT)
		kproxy_sockopt_rows[i].set(socket, side, from);
	return err;
}

static void refusal(enum kproxy_sockopt bad, int err,
		    struct netlink_ext_ack *extack)
{
	if (bad == KPROXY_SOCKOPT_CONGESTION && err == -ENOENT)
		NL_SET_ERR_MSG(extack, "the kernel has no such congestion control");
	else if (bad == KPROXY_SOCKOPT_RCVBUF && err == -EPERM)
		NL_SET_ERR_MSG(extack, "rcvbuf is more than net.core.rmem_max");
	else if (bad == KPROXY_SOCKOPT_SNDBUF && err == -EPERM)
		NL_SET_ERR_MSG(extack, "sndbuf is more than net.core.wmem_max");
	else if (bad == KPROXY_SOCKOPT_FASTOPEN && err == -EOPNOTSUPP)
		NL_SET_ERR_MSG(extack, "net.ipv4.tcp_fastopen is off for clients");
	else
		NL_SET_ERR_MSG_FMT(extack, "the kernel refuses it (error %d)",
				   -err);
}

/**
 * kproxy_sockopts_try() - check whether the kernel accepts options
 * @net: the namespace of the sockets that are to get them
 * @side: what the sockets are for
 * @from: their present options, which are not checked again
 * @to: their new options
 * @extack: gets the reason of a refusal
 * @bad: the option that was refused, on error
 *
 * The caller's rights count.
 *
 * Context: process, may sleep.
 * Return: 0; the kernel's error for @bad; or, with @bad untouched, the error of
 * creating a socket to try them on.
 */
int kproxy_sockopts_try(struct net *net, enum kproxy_sockopts_side side,
			const struct kproxy_sockopts *from,
			const struct kproxy_sockopts *to,
			struct netlink_ext_ack *extack,
			enum kproxy_sockopt *bad)
{
	enum kproxy_sockopt refused;
	struct socket *socket;
	int err;

	err = kproxy_sock_create(net, AF_INET, &socket);
	if (err)
		return err;
	err = kproxy_sockopts_apply(socket, side, from, to, &refused);
	if (!err && side == KPROXY_SOCKOPTS_CONNECT &&
	    to->fastopen && !from->fastopen &&
	    !tcp_sk(socket->sk)->fastopen_connect) {
		refused = KPROXY_SOCKOPT_FASTOPEN;
		err = -EOPNOTSUPP;
	}
	sock_release(socket);
	if (err) {
		refusal(refused, err, extack);
		*bad = refused;
	}
	return err;
}
