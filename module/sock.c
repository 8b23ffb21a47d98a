// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets. This is the only file that touches a socket's callbacks and its
 * sk_user_data. Events of a socket go to the operations that it was attached
 * with.
 *
 * A socket has one owner, in sk_user_data. The lowest bits are flags; they tell
 * kproxy's owners from others before the pointer is followed:
 *
 *	SK_USER_DATA_NOCOPY alone	a connection, attached
 *	none				a listening socket, attached; or a
 *					connection not accepted yet
 *	any other			a sockmap's or a reuseport array's
 *
 * A new connection inherits sk_user_data and the callbacks from its listening
 * socket. The inherited pointer is never followed, because its target may be
 * freed. It only marks the connection as owned: a BPF program that adds it to a
 * sockmap before it is accepted gets -EBUSY, as for any other kproxy socket,
 * and the client is served.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>
#include <net/transp_v6.h>

#include "compat.h"
#include "fault.h"
#include "memcg.h"
#include "owner.h"
#include "sock.h"

/* Spare sockets per CPU. */
#define SPARES_MAX 64

/* Ticks until a program that owns its socket is taken to keep it. */
#define OWN_TRIES (HZ / 10)

/*
 * Return NULL for a connection that is not attached yet, because attaching
 * checks for earlier events. SOCK_RCU_FREE tells a listening socket from
 * connections that inherited from it, since the kernel clears the flag for
 * those.
 */
static struct kproxy_sock *sock_owner(const struct sock *sk)
{
	uintptr_t data = (uintptr_t)rcu_dereference(__sk_user_data(sk));
	uintptr_t flags = data & ~SK_USER_DATA_PTRMASK;

	if (likely(flags == SK_USER_DATA_NOCOPY) ||
	    (!flags && sock_flag(sk, SOCK_RCU_FREE)))
		return (struct kproxy_sock *)(data & SK_USER_DATA_PTRMASK);
	return NULL;
}

static void sock_data_ready(struct sock *sk)
{
	struct kproxy_sock *ks;

	rcu_read_lock();
	ks = sock_owner(sk);
	if (likely(ks))
		ks->ops->data_ready(ks);
	rcu_read_unlock();
}

static void sock_write_space(struct sock *sk)
{
	struct kproxy_sock *ks;

	rcu_read_lock();
	ks = sock_owner(sk);
	if (likely(ks))
		ks->ops->write_space(ks);
	rcu_read_unlock();
}

/* State changes and errors: the operations read the socket to tell which. */
static void sock_changed(struct sock *sk)
{
	struct kproxy_sock *ks;

	rcu_read_lock();
	ks = sock_owner(sk);
	if (likely(ks))
		ks->ops->changed(ks);
	rcu_read_unlock();
}

/*
 * Set kproxy_sockopts_defaults: no delay, and keepalive, so that a dead peer is
 * noticed. Nobody else knows the socket yet, so this needs no lock. The
 * functions for single options would each take it.
 */
static void sock_set_defaults(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	sk->sk_allocation = GFP_ATOMIC;
	sk->sk_use_task_frag = false;
	/*
	 * Urgent data is part of the stream. Otherwise TCP skips an urgent byte
	 * that is next to be read when another one comes, and moves copied_seq
	 * for that.
	 */
	sock_set_flag(sk, SOCK_URGINLINE);
	tp->nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
	sock_set_flag(sk, SOCK_KEEPOPEN);
	tp->keepalive_time = KPROXY_KEEPALIVE_IDLE * HZ;
	tp->keepalive_intvl = KPROXY_KEEPALIVE_INTERVAL * HZ;
	tp->keepalive_probes = KPROXY_KEEPALIVE_COUNT;
}

/**
 * kproxy_sock_create() - create a TCP socket for the data path
 * @net: the namespace it belongs to; no reference to it is taken
 * @family: AF_INET or AF_INET6
 * @socket: where the socket is stored
 *
 * The socket, and those it accepts, send without delay, notice a dead peer, and
 * allocate memory as softirq must.
 *
 * Context: process, may sleep.
 * Return: 0, and the caller owns the socket; or the error of
 * sock_create_kern().
 */
int kproxy_sock_create(struct net *net, int family, struct socket **socket)
{
	int err;

	err = sock_create_kern(net, family, SOCK_STREAM, IPPROTO_TCP, socket);
	if (!err)
		sock_set_defaults((*socket)->sk);
	return err;
}

/**
 * kproxy_sock_create_for() - create a socket that belongs to an owner
 * @net: the namespace it belongs to; no reference to it is taken
 * @family: AF_INET or AF_INET6
 * @owner: a socket of the owner, which is not freed during the call
 * @socket: where the socket is stored
 *
 * Context: process, may sleep.
 * Return: 0, and the caller owns the socket; -ENOMEM if the owner's memory
 * cgroup is full; or the error of sock_create_kern().
 */
int kproxy_sock_create_for(struct net *net, int family,
			   const struct sock *owner, struct socket **socket)
{
	struct mem_cgroup *memcg;
	int err;

	if (!kproxy_memcg_room(owner))
		return -ENOMEM;
	memcg = kproxy_memcg_enter(owner);
	err = kproxy_sock_create(net, family, socket);
	kproxy_memcg_leave(memcg);
	if (!err)
		kproxy_owner_give((*socket)->sk, owner);
	return err;
}

/**
 * kproxy_sock_delay_acks() - delay the ACK of a connection's first bytes
 * @sk: a listening socket, for those that it accepts; or a socket that is new
 *	or locked
 *
 * TCP acknowledges the first bytes of a connection at once. This delays the ACK
 * until data is sent, for at most a tick. It lasts until a delayed ACK has
 * timed out, or kproxy_sock_ack_soon() is called. A peer that uses Nagle's
 * algorithm and writes again before it reads waits for that ACK, for at most a
 * tick. TCP's own delayed ACKs would make it wait for 40 ms later on.
 *
 * Context: process.
 */
void kproxy_sock_delay_acks(struct sock *sk)
{
	inet_csk_enter_pingpong_mode(sk);
	WRITE_ONCE(inet_csk(sk)->icsk_delack_max, 1);
}

/**
 * kproxy_sock_ack_soon() - restore a socket's normal ACK behaviour
 * @sk: the socket, accepted and locked; an ACK already delayed stays delayed
 *
 * Context: any.
 */
void kproxy_sock_ack_soon(struct sock *sk)
{
	inet_csk_exit_pingpong_mode(sk);
	inet_csk(sk)->icsk_delack_max = TCP_DELACK_MAX;
}

/* Return true if what an accepted socket inherited is unchanged. */
static bool sock_inherited(const struct sock *sk, const struct sock *listener)
{
	uintptr_t data = (uintptr_t)READ_ONCE(sk->sk_user_data);

	return data && !(data & ~SK_USER_DATA_PTRMASK) &&
	       READ_ONCE(sk->sk_data_ready) == sock_data_ready &&
	       READ_ONCE(sk->sk_prot) == READ_ONCE(listener->sk_prot);
}

/* Save a socket's callbacks and install kproxy's. */
static void sock_take_over(struct kproxy_sock *ks, struct socket *socket,
			   const struct kproxy_sock_ops *ops,
			   uintptr_t flags)
{
	struct sock *sk = socket->sk;

	ks->sk = sk;
	ks->socket = socket;
	ks->ops = ops;
	ks->data_ready = sk->sk_data_ready;
	ks->write_space = sk->sk_write_space;
	ks->state_change = sk->sk_state_change;
	ks->error_report = sk->sk_error_report;
	__rcu_assign_sk_user_data_with_flags(sk, ks, flags);
	WRITE_ONCE(sk->sk_data_ready, sock_data_ready);
	WRITE_ONCE(sk->sk_write_space, sock_write_space);
	WRITE_ONCE(sk->sk_state_change, sock_changed);
	WRITE_ONCE(sk->sk_error_report, sock_changed);
}

/*
 * A closed socket leaves a struct socket without a protocol, and its inode.
 * Freeing and allocating these costs as much as two packets, so some are kept
 * for later clients. They stay charged to the memory cgroup that they were
 * allocated for, and only its clients get them. Per CPU, accessed with
 * preemption off.
 */
struct spares {
	struct socket *sockets[SPARES_MAX];
	unsigned int n;
	/* kproxy_memcg_id() of all of them */
	u64 memcg;
};

static DEFINE_PER_CPU(struct spares, spares);

static struct socket *spare_get(u64 memcg)
{
	struct spares *sp = get_cpu_ptr(&spares);
	struct socket *socket = NULL;

	if (sp->n && sp->memcg == memcg)
		socket = sp->sockets[--sp->n];
	put_cpu_ptr(&spares);
	return socket;
}

/*
 * Keep a socket that has no protocol, or free it. If the kept ones belong to
 * another cgroup, free one of those as well, so that no cgroup occupies the
 * array for ever.
 */
static void spare_put(struct socket *socket, u64 memcg)
{
	struct spares *sp = get_cpu_ptr(&spares);
	struct socket *other = NULL;

	if (!sp->n)
		sp->memcg = memcg;
	if (sp->memcg != memcg) {
		other = sp->sockets[--sp->n];
	} else if (sp->n < SPARES_MAX) {
		sp->sockets[sp->n++] = socket;
		socket = NULL;
	}
	put_cpu_ptr(&spares);
	if (other)
		sock_release(other);
	if (socket)
		sock_release(socket);
}

/**
 * kproxy_sock_exit() - free the spare sockets; no other socket is left
 *
 * Context: process.
 */
void kproxy_sock_exit(void)
{
	struct spares *sp;
	int cpu;

	for_each_possible_cpu(cpu) {
		sp = per_cpu_ptr(&spares, cpu);
		while (sp->n)
			sock_release(sp->sockets[--sp->n]);
	}
}

/**
 * kproxy_sock_accept() - accept a client, if one is waiting
 * @listener: the attached listening socket
 * @client: where the client's socket is stored
 *
 * Context: process, may sleep.
 * Return: 0, and the caller owns the socket; -EBUSY, and the caller has a socket
 * to reset that another owner has taken; -EAGAIN if none is waiting; or another
 * error of kernel_accept().
 */
int kproxy_sock_accept(const struct kproxy_sock *listener,
		       struct socket **client)
{
	const struct proto_ops *ops = READ_ONCE(listener->socket->ops);
	struct proto_accept_arg arg = { .flags = O_NONBLOCK, .kern = true };
	u64 memcg = kproxy_memcg_id(listener->sk);
	struct socket *socket = spare_get(memcg);
	int err;

	if (socket) {
		err = ops->accept(listener->socket, socket, &arg);
		if (err) {
			spare_put(socket, memcg);
			return err;
		}
		socket->ops = ops;
		__module_get(ops->owner);
	} else {
		err = kernel_accept(listener->socket, &socket, O_NONBLOCK);
		if (err)
			return err;
	}
	*client = socket;
	return sock_inherited(socket->sk, listener->sk) ? 0 : -EBUSY;
}

/**
 * kproxy_sock_attach_new() - attach a socket that was just created
 * @ks: becomes the socket's owner; the caller keeps it for a grace period after
 *	kproxy_sock_detach()
 * @socket: the socket, owned by @ks from here on; it neither was connected nor
 *	listens, so that nobody else knows it
 * @ops: called on the socket's events
 *
 * Context: process.
 */
void kproxy_sock_attach_new(struct kproxy_sock *ks, struct socket *socket,
			    const struct kproxy_sock_ops *ops)
{
	sock_take_over(ks, socket, ops, SK_USER_DATA_NOCOPY);
}

/**
 * kproxy_sock_attach_listener() - attach a socket that is going to listen
 * @ks: becomes the socket's owner, as with kproxy_sock_attach_new()
 * @socket: the socket, owned by @ks from here on; it does not listen yet
 * @ops: called on the socket's events
 *
 * Its connections inherit @ks as their owner, until kproxy_sock_accept().
 *
 * Context: process.
 */
void kproxy_sock_attach_listener(struct kproxy_sock *ks, struct socket *socket,
				 const struct kproxy_sock_ops *ops)
{
	sock_take_over(ks, socket, ops, 0);
}

/**
 * kproxy_sock_attach() - attach an accepted socket
 * @ks: becomes the socket's owner; the caller keeps it for a grace period after
 *	kproxy_sock_detach()
 * @socket: the socket, from kproxy_sock_accept(), owned by @ks from here on
 * @from: the attached socket that accepted it
 * @ops: called on the socket's events
 *
 * The socket has inherited kproxy's callbacks from @from. Detaching must
 * restore those that @from had before it was attached.
 *
 * Context: process, may sleep.
 */
void kproxy_sock_attach(struct kproxy_sock *ks, struct socket *socket,
			const struct kproxy_sock *from,
			const struct kproxy_sock_ops *ops)
{
	struct sock *sk = socket->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	sock_take_over(ks, socket, ops, SK_USER_DATA_NOCOPY);
	ks->data_ready = from->data_ready;
	ks->write_space = from->write_space;
	ks->state_change = from->state_change;
	ks->error_report = from->error_report;
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

/**
 * kproxy_sock_pass() - pass an attached socket from one owner to another
 * @from: the present owner; as after kproxy_sock_detach() when this returns
 * @to: the next owner; the caller keeps it as with kproxy_sock_attach_new()
 * @ops: called on the socket's events from now on
 *
 * One of the two owns the socket at any time, so that nobody else can take it.
 *
 * Context: process, may sleep.
 */
void kproxy_sock_pass(struct kproxy_sock *from, struct kproxy_sock *to,
		      const struct kproxy_sock_ops *ops)
{
	struct sock *sk = from->sk;
	uintptr_t flags;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	flags = (uintptr_t)sk->sk_user_data & ~SK_USER_DATA_PTRMASK;
	*to = *from;
	to->ops = ops;
	__rcu_assign_sk_user_data_with_flags(sk, to, flags);
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
	from->socket = NULL;
}

/**
 * kproxy_sock_detach() - detach a socket from its owner
 * @ks: the socket
 *
 * lock_sock() waits for callbacks that run under the socket's lock, so none of
 * them runs or begins after this. The exception is a listening socket's
 * data_ready, which is called without the lock: it may run until a grace period
 * has passed.
 *
 * Context: process, may sleep.
 */
void kproxy_sock_detach(struct kproxy_sock *ks)
{
	struct sock *sk = ks->sk;

	lock_sock(sk);
	kproxy_fault_point(KPROXY_POINT_SOCK_DETACH);
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, NULL);
	WRITE_ONCE(sk->sk_data_ready, ks->data_ready);
	WRITE_ONCE(sk->sk_write_space, ks->write_space);
	WRITE_ONCE(sk->sk_state_change, ks->state_change);
	WRITE_ONCE(sk->sk_error_report, ks->error_report);
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

/**
 * kproxy_sock_close() - close a detached socket gracefully
 * @ks: the socket, in TCP_CLOSE
 *
 * Its struct socket becomes a spare for kproxy_sock_accept().
 *
 * The state must be TCP_CLOSE, because TCP stops the timers of a kernel socket
 * when it is closed, so that lost data would never be retransmitted.
 *
 * Context: process, may sleep.
 */
void kproxy_sock_close(struct kproxy_sock *ks)
{
	struct socket *socket = ks->socket;
	const struct proto_ops *ops = READ_ONCE(socket->ops);
	u64 memcg = kproxy_memcg_id(ks->sk);

	ks->socket = NULL;
	kproxy_fault_point(KPROXY_POINT_SOCK_CLOSE);
	ops->release(socket);
	module_put(ops->owner);
	/* As for a new socket. */
	socket->ops = NULL;
	socket->state = SS_UNCONNECTED;
	socket->flags = 0;
	spare_put(socket, memcg);
}

/**
 * kproxy_sock_abort() - close a detached socket at once, with a reset
 * @ks: the socket
 *
 * Context: process, may sleep.
 */
void kproxy_sock_abort(struct kproxy_sock *ks)
{
	kproxy_sock_reset(ks->socket);
	ks->socket = NULL;
}

/**
 * kproxy_sock_reset() - close a socket that was never attached, with a reset
 * @socket: the socket
 *
 * Context: process, may sleep.
 */
void kproxy_sock_reset(struct socket *socket)
{
	sock_no_linger(socket->sk);
	sock_release(socket);
}

/*
 * Borrowed sockets belong to a program, which keeps its descriptors. It may
 * call anything on them at any time, under the socket's lock, as a second
 * program with the same socket could. Four things need care:
 *
 * - Another owner must not take the socket: sk_user_data is not NULL from borrow
 *   to return. A sockmap and KCM refuse such a socket.
 * - TLS does not look at sk_user_data. It saves the callbacks that it finds and
 *   reads the receive queue without references. Therefore nothing is read from
 *   a socket that has an upper layer protocol (kproxy_sock_has_ulp()), and TLS
 *   gets the original callbacks in place of kproxy's.
 * - connect(AF_UNSPEC) disconnects the socket, which may then listen. Its
 *   connections would inherit the callbacks. Therefore the callback that reports
 *   the disconnect restores them at once.
 * - A packet that the program sends by MSG_ZEROCOPY is charged differently;
 *   the pump appends nothing to it.
 */

static bool sock_is_plain(const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_prot == &tcpv6_prot)
		return true;
#endif
	return sk->sk_prot == &tcp_prot;
}

static const char *sock_not_lendable(const struct sock *sk, int *err)
{
	*err = -EBUSY;
	if (inet_csk_has_ulp(sk))
		return "the socket has an upper layer protocol, such as TLS";
	if (tcp_sk(sk)->repair)
		return "the socket is being repaired (TCP_REPAIR)";
	if (!sock_is_plain(sk))
		return "the socket belongs to a sockmap or another owner";
	*err = -ENOTCONN;
	/* A stream that has ended may still have bytes to read. */
	if (!sk->sk_err &&
	    ((1 << sk->sk_state) & (TCPF_ESTABLISHED | TCPF_FIN_WAIT1 |
				    TCPF_FIN_WAIT2 | TCPF_CLOSE_WAIT) ||
	     (sk->sk_state == TCP_SYN_RECV && tcp_passive_fastopen(sk)) ||
	     sock_flag(sk, SOCK_DONE)))
		return NULL;
	return "the socket is not connected";
}

/* The socket is locked. */
static int sock_lend(struct kproxy_sock *ks, struct socket *socket,
		     const struct kproxy_sock_ops *ops, const char **why)
{
	struct sock *sk = socket->sk;
	int err;

	*why = sock_not_lendable(sk, &err);
	if (*why)
		return err;
	write_lock_bh(&sk->sk_callback_lock);
	if (!sk->sk_user_data)
		sock_take_over(ks, socket, ops, SK_USER_DATA_NOCOPY);
	else if (READ_ONCE(sk->sk_data_ready) == sock_data_ready)
		*why = "the socket is spliced already";
	else
		*why = "the socket belongs to a sockmap or another owner";
	write_unlock_bh(&sk->sk_callback_lock);
	return *why ? -EBUSY : 0;
}

/*
 * Own a program's socket, until release_sock(). A request for a splice holds a lock
 * of generic netlink, which all its other users need, and a program can own its
 * socket for as long as it likes, as in a write from memory that is a file of its
 * own file system (FUSE). Return false if it does.
 */
static bool sock_own(struct sock *sk)
{
	unsigned int tries = OWN_TRIES;
	bool owned;

	do {
		spin_lock_bh(&sk->sk_lock.slock);
		owned = !sock_owned_by_user_nocheck(sk);
		if (owned) {
			sk->sk_lock.owned = 1;
			mutex_acquire(&sk->sk_lock.dep_map, 0, 1, _RET_IP_);
		}
		spin_unlock_bh(&sk->sk_lock.slock);
	} while (!owned && tries-- && !schedule_timeout_killable(1));
	return owned;
}

/**
 * kproxy_sock_borrow() - attach a connected socket that belongs to a program
 * @ks: becomes the socket's owner; the caller keeps it for a grace period after
 *	kproxy_sock_return()
 * @file: the file of an AF_INET or AF_INET6 TCP socket; a reference is taken
 * @ops: called on the socket's events
 * @loan: what the socket has to become again
 * @why: where the reason of a refusal is stored
 *
 * The caller then has to check for earlier events. The program's options stay,
 * except for those without which bytes would be late or lost.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOTCONN or -EBUSY with nothing changed.
 */
int kproxy_sock_borrow(struct kproxy_sock *ks, struct file *file,
		       const struct kproxy_sock_ops *ops,
		       struct kproxy_sock_loan *loan, const char **why)
{
	struct socket *socket = sock_from_file(file);
	struct sock *sk = socket->sk;
	int err;

	if (!sock_own(sk)) {
		*why = "the socket is in use";
		return -EBUSY;
	}
	err = sock_lend(ks, socket, ops, why);
	if (!err) {
		sock_hold(sk);
		loan->file = get_file(file);
		loan->allocation = sk->sk_allocation;
		loan->use_task_frag = sk->sk_use_task_frag;
		loan->urginline = sock_flag(sk, SOCK_URGINLINE);
		loan->rcvlowat = sk->sk_rcvlowat;
		/* Softirq sends; see sock_set_defaults(). */
		sk->sk_allocation = GFP_ATOMIC;
		sk->sk_use_task_frag = false;
		sock_set_flag(sk, SOCK_URGINLINE);
		/* Otherwise less than that is never reported. */
		WRITE_ONCE(sk->sk_rcvlowat, 1);
	}
	release_sock(sk);
	return err;
}

/**
 * kproxy_sock_disconnected() - check whether a program disconnected a socket
 * @sk: the socket, which was connected
 *
 * Context: any.
 * Return: true after connect(AF_UNSPEC).
 */
bool kproxy_sock_disconnected(const struct sock *sk)
{
	return sk->sk_state == TCP_CLOSE && !inet_sk(sk)->inet_dport;
}

/**
 * kproxy_sock_has_ulp() - check whether a program has set TCP_ULP
 * @sk: the socket; one that is not locked may get one meanwhile
 *
 * Context: any.
 * Return: true if the receive queue belongs to that protocol.
 */
bool kproxy_sock_has_ulp(const struct sock *sk)
{
	return inet_csk_has_ulp(sk);
}

/* TLS has saved kproxy's callbacks: exchange them for the original ones. */
static void sock_restore_ulp(const struct kproxy_sock *ks)
{
#if IS_ENABLED(CONFIG_TLS)
	const struct tcp_ulp_ops *ulp = inet_csk(ks->sk)->icsk_ulp_ops;
	struct tls_sw_context_rx *rx;
	struct tls_context *tls;

	if (!ulp || strcmp(ulp->name, "tls"))
		return;
	tls = tls_get_ctx(ks->sk);
	if (tls->sk_write_space == sock_write_space)
		tls->sk_write_space = ks->write_space;
	rx = tls->priv_ctx_rx;
	/* Both kinds begin with the same struct. */
	if (rx && tls->rx_conf != TLS_BASE &&
	    rx->saved_data_ready == sock_data_ready)
		rx->saved_data_ready = ks->data_ready;
#endif
}

/**
 * kproxy_sock_release_callbacks() - restore a borrowed socket's callbacks
 * @ks: the socket, still owned; it may be called again
 *
 * Context: any with the socket locked, or in one of its callbacks.
 */
void kproxy_sock_release_callbacks(struct kproxy_sock *ks)
{
	struct sock *sk = ks->sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_data_ready == sock_data_ready)
		WRITE_ONCE(sk->sk_data_ready, ks->data_ready);
	if (sk->sk_write_space == sock_write_space)
		WRITE_ONCE(sk->sk_write_space, ks->write_space);
	if (sk->sk_state_change == sock_changed)
		WRITE_ONCE(sk->sk_state_change, ks->state_change);
	if (sk->sk_error_report == sock_changed)
		WRITE_ONCE(sk->sk_error_report, ks->error_report);
	write_unlock_bh(&sk->sk_callback_lock);
}

/* Whether the program has closed a borrowed socket. */
static bool sock_closed(const struct kproxy_sock_loan *loan)
{
	return file_count(loan->file) == 1;
}

/*
 * Whether nobody else can get a reference to its file. An epoll has none to the
 * files that it watches, but takes one for moments.
 */
static bool sock_alone(const struct kproxy_sock_loan *loan)
{
#ifdef CONFIG_EPOLL
	if (READ_ONCE(loan->file->f_ep))
		return false;
	/* An epoll that stops watching takes its last reference before. */
	smp_rmb();
#endif
	return sock_closed(loan);
}

/**
 * kproxy_sock_uncount() - no longer keep the namespace alive for a socket that
 * the program has closed
 * @ks: the socket, borrowed
 * @loan: what it was
 *
 * A program's socket holds a reference to its network namespace, since it must not
 * outlive that. Once nobody but kproxy has the file, or can have it, the socket
 * becomes like one of kproxy's own, which kproxy closes before the namespace goes.
 *
 * Context: process, may sleep.
 * Return: false if the program still has the socket, or perhaps.
 */
bool kproxy_sock_uncount(struct kproxy_sock *ks, struct kproxy_sock_loan *loan)
{
	struct sock *sk = ks->sk;
	struct net *net = sock_net(sk);

	if (loan->uncounted || !sk->sk_net_refcnt)
		return true;
	if (!sock_alone(loan))
		return false;
	/*
	 * fget() may still take a reference, before it sees that the file was
	 * closed. It is over after a grace period.
	 */
	if (!loan->alone) {
		loan->grace = start_poll_synchronize_rcu();
		loan->alone = true;
	}
	if (!poll_state_synchronize_rcu(loan->grace))
		return false;
	kproxy_fault_point(KPROXY_POINT_SOCK_UNCOUNT);
	lock_sock(sk);
	loan->uncounted = true;
	__netns_tracker_free(net, &sk->ns_tracker, true);
	net_passive_inc(net);
	sk->sk_net_refcnt = 0;
	__netns_tracker_alloc(net, &sk->ns_tracker, false, GFP_KERNEL);
	sock_inuse_add(net, -1);
	release_sock(sk);
	kproxy_fault_point(KPROXY_POINT_SOCK_UNCOUNTED);
	put_net(net);
	return true;
}

/*
 * Let a socket hold its namespace again, so that TCP sends again what is lost
 * after it was closed. Return false if the namespace goes away.
 */
static bool sock_count(struct sock *sk, struct kproxy_sock_loan *loan)
{
	struct net *net;

	if (!loan->uncounted)
		return true;
	net = maybe_get_net(sock_net(sk));
	if (!net)
		return false;
	lock_sock(sk);
	sk_net_refcnt_upgrade(sk);
	release_sock(sk);
	put_net(net);
	return true;
}

/**
 * kproxy_sock_quiet() - stop the events of a borrowed socket
 * @ks: the socket, which stays owned: nobody else can take it
 *
 * None of its events runs or begins after this and a grace period. Pumps that
 * run in the pump work may still use the socket.
 *
 * Context: process, may sleep.
 */
void kproxy_sock_quiet(struct kproxy_sock *ks)
{
	lock_sock(ks->sk);
	kproxy_fault_point(KPROXY_POINT_SOCK_DETACH);
	sock_restore_ulp(ks);
	kproxy_sock_release_callbacks(ks);
	release_sock(ks->sk);
}

/* Make a socket what it was, but for what the program has changed meanwhile. */
static void sock_restore(struct sock *sk, const struct kproxy_sock_loan *loan,
			 u64 taken)
{
	rcu_assign_sk_user_data(sk, NULL);
	sk->sk_allocation = loan->allocation;
	sk->sk_use_task_frag = loan->use_task_frag;
	if (!loan->urginline)
		sock_reset_flag(sk, SOCK_URGINLINE);
	if (sk->sk_rcvlowat == 1)
		WRITE_ONCE(sk->sk_rcvlowat, loan->rcvlowat);
	/* SO_PEEK_OFF counts from the first unread byte. */
	sk_peek_offset_bwd(sk, min_t(u64, taken, S32_MAX));
}

/* The program has slept through what happened meanwhile. */
static void sock_wake(struct sock *sk)
{
	if (kproxy_sock_unread(sk) || sock_flag(sk, SOCK_DONE))
		sk->sk_data_ready(sk);
	sk->sk_write_space(sk);
	sk->sk_state_change(sk);
	if (sk->sk_err)
		sk_error_report(sk);
}

/**
 * kproxy_sock_return() - give a borrowed socket back to its program
 * @ks: the socket, after kproxy_sock_quiet(); no pump uses it any more
 * @loan: what it was
 * @taken: bytes that were read from it
 * @reset: whether to reset the connection, unless it has ended
 *
 * The file is dropped by kproxy_sock_let_go().
 *
 * Context: process, may sleep.
 */
void kproxy_sock_return(struct kproxy_sock *ks, struct kproxy_sock_loan *loan,
			u64 taken, enum kproxy_sock_reset reset)
{
	struct sock *sk = ks->sk;

	if (!sock_count(sk, loan) ||
	    (reset == KPROXY_SOCK_RESET_CLOSED && sock_closed(loan)))
		reset = KPROXY_SOCK_RESET;
	if (reset == KPROXY_SOCK_RESET && sk->sk_state != TCP_CLOSE)
		tcp_abort(sk, ECONNRESET);
	lock_sock(sk);
	/* The pump's own calls may have cleared it. */
	if (reset == KPROXY_SOCK_RESET && !sk->sk_err &&
	    !sock_flag(sk, SOCK_DONE))
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	sock_restore(sk, loan, taken);
	sock_wake(sk);
	release_sock(sk);
	ks->socket = NULL;
}

/**
 * kproxy_sock_let_go() - drop the file of a socket that was given back
 * @ks: the socket, after kproxy_sock_return(); or never borrowed, or let go
 * @loan: what it was
 *
 * Perhaps the program closes it at the same time, so that this is what closes the
 * socket: nobody waits for SO_LINGER's time then, least of all a worker.
 *
 * Context: process, may sleep; takes the lock of the socket's inode.
 */
void kproxy_sock_let_go(struct kproxy_sock *ks, struct kproxy_sock_loan *loan)
{
	struct sock *sk = ks->sk;
	bool linger;

	if (!loan->file || ks->socket)
		return;
	kproxy_fault_point(KPROXY_POINT_SOCK_RETURNED);
	lock_sock(sk);
	linger = sock_flag(sk, SOCK_LINGER) && sk->sk_lingertime;
	if (linger)
		sock_reset_flag(sk, SOCK_LINGER);
	release_sock(sk);
	/* A worker's fput() would leave it to the one work of the kernel. */
	__fput_sync(loan->file);
	loan->file = NULL;
	if (linger) {
		lock_sock(sk);
		if (!sock_flag(sk, SOCK_DEAD))
			sock_set_flag(sk, SOCK_LINGER);
		release_sock(sk);
	}
	sock_put(sk);
}

/**
 * kproxy_sock_unread() - return how much a socket has received and not read
 * @sk: the socket
 *
 * Context: any; exact while the socket is locked.
 * Return: bytes, without the end of the stream.
 */
u32 kproxy_sock_unread(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 end = READ_ONCE(tp->rcv_nxt) - sock_flag(sk, SOCK_DONE);
	u32 taken = READ_ONCE(tp->copied_seq);

	return before(taken, end) ? end - taken : 0;
}

/**
 * kproxy_sock_read_done() - remove bytes from a socket's receive queue
 * @sk: the socket, locked
 * @len: how many; at least as many are queued
 *
 * TCP's fast path is closed until an urgent byte has been read, and
 * tcp_read_done() does not reopen it.
 *
 * Context: any.
 */
void kproxy_sock_read_done(struct sock *sk, u32 len)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tcp_read_done(sk, len);
	if (unlikely(tp->urg_data) && after(tp->copied_seq, tp->urg_seq)) {
		WRITE_ONCE(tp->urg_data, 0);
		tcp_fast_path_check(sk);
	}
}

/**
 * kproxy_sock_unacked() - return how much a socket's peer has not acknowledged
 * @sk: the socket, which was connected; it may be closed by now
 * @fin: the end of the stream was sent, too
 *
 * Context: any; exact while nothing happens to the socket.
 * Return: bytes, without the end of the stream.
 */
u32 kproxy_sock_unacked(const struct sock *sk, bool fin)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 left = READ_ONCE(tp->write_seq) - READ_ONCE(tp->snd_una);

	return left && fin ? left - 1 : left;
}

/**
 * kproxy_sock_acked() - return when a peer last acknowledged something
 * @sk: the socket, connected
 * @when: where the time is stored, in jiffies
 *
 * If data went out later, after nothing had been in flight, that time counts.
 *
 * Context: any.
 * Return: false if nothing was ever sent, or too long ago to tell.
 */
bool kproxy_sock_acked(const struct sock *sk, unsigned long *when)
{
	u64 stamp = READ_ONCE(tcp_sk(sk)->delivered_mstamp);
	s64 age = tcp_clock_us() - stamp;

	if (!stamp || age > (s64)UINT_MAX)
		return false;
	*when = jiffies - usecs_to_jiffies(max(age, 0));
	return true;
}

/* Both ends of a connection within a namespace are in its hash table. */
static struct sock *sock_other_end_by(const struct sock *sk, int dif)
{
	const struct inet_sock *inet = inet_sk(sk);
	struct net *net = sock_net(sk);

	if (sk->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(kproxy_v6_daddr(sk)))
		return __inet6_lookup_established(net, kproxy_v6_rcv_saddr(sk),
						  inet->inet_sport,
						  kproxy_v6_daddr(sk),
						  ntohs(sk->sk_dport), dif, 0);
	return __inet_lookup_established(net, sk->sk_rcv_saddr,
					 inet->inet_sport, sk->sk_daddr,
					 ntohs(sk->sk_dport), dif, 0);
}

/*
 * The device that the other end sees packets come from, which is the one that
 * has its address; 0 if it is not in this namespace.
 */
static int sock_other_dif(const struct sock *sk)
{
	struct net *net = sock_net(sk);
	const struct net_device *dev;

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(kproxy_v6_daddr(sk)))
		dev = ipv6_dev_find(net, kproxy_v6_daddr(sk), NULL);
	else
#endif
		dev = __ip_dev_find(net, sk->sk_daddr, false);
	return dev ? dev->ifindex : 0;
}

/* Any user may bind a socket to a device; it is found by that only. */
static struct sock *sock_other_end_bound(const struct sock *sk)
{
	int dif = sock_other_dif(sk);

	return dif ? sock_other_end_by(sk, dif) : NULL;
}

/**
 * kproxy_sock_peer() - return the other end of a connection, if kproxy owns it
 * @sk: a connected socket
 * @bound: look for one that is bound to another device, too
 *
 * Context: RCU read-side critical section.
 * Return: the other end; NULL if it is not in this namespace, not attached, or
 * can't be found because of address translation.
 */
struct kproxy_sock *kproxy_sock_peer(const struct sock *sk, bool bound)
{
	struct sock *peer =
		sock_other_end_by(sk, READ_ONCE(sk->sk_bound_dev_if));
	struct kproxy_sock *ks = NULL;

	if (unlikely(bound) && !peer)
		peer = sock_other_end_bound(sk);
	if (likely(!peer))
		return NULL;
	if (sk_fullsock(peer) &&
	    READ_ONCE(peer->sk_data_ready) == sock_data_ready)
		ks = sock_owner(peer);
	sock_gen_put(peer);
	return ks;
}

/**
 * kproxy_sock_is_own_peer() - check whether a socket is connected to itself
 * @sk: a socket that was connected, and locked
 *
 * If nobody listens on a local port, a socket that connects there may get this
 * very port as its own. It then receives its own SYN, and TCP takes that for a
 * simultaneous open.
 *
 * Context: any.
 * Return: true if the socket is its own peer.
 */
bool kproxy_sock_is_own_peer(const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	if (likely(inet->inet_sport != inet->inet_dport))
		return false;
	if (sk->sk_family == AF_INET6 && !ipv6_addr_v4mapped(kproxy_v6_daddr(sk)))
		return ipv6_addr_equal(kproxy_v6_rcv_saddr(sk), kproxy_v6_daddr(sk));
	return inet->inet_rcv_saddr == inet->inet_daddr;
}
