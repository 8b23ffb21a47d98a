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
#include <linux/in.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/percpu.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "fault.h"
#include "memcg.h"
#include "owner.h"
#include "sock.h"

/* Spare sockets per CPU. */
#define SPARES_MAX 64

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
static struct sock *sock_other_end(const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);
	struct net *net = sock_net(sk);

	if (sk->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(kproxy_v6_daddr(sk)))
		return __inet6_lookup_established(net, kproxy_v6_rcv_saddr(sk),
						  inet->inet_sport,
						  kproxy_v6_daddr(sk),
						  ntohs(sk->sk_dport),
						  sk->sk_bound_dev_if, 0);
	return __inet_lookup_established(net, sk->sk_rcv_saddr,
					 inet->inet_sport, sk->sk_daddr,
					 ntohs(sk->sk_dport),
					 sk->sk_bound_dev_if, 0);
}

/**
 * kproxy_sock_peer() - return the other end of a connection, if kproxy owns it
 * @sk: a connected socket
 *
 * Context: RCU read-side critical section.
 * Return: the other end; NULL if it is not in this namespace, not attached, or
 * can't be found because of address translation.
 */
struct kproxy_sock *kproxy_sock_peer(const struct sock *sk)
{
	struct sock *peer = sock_other_end(sk);
	struct kproxy_sock *ks = NULL;

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
