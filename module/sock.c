// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets. This is the only file that touches a socket's callbacks and its
 * sk_user_data. What a socket reports goes to the operations that it was
 * attached with.
 *
 * A socket has one owner, the one in sk_user_data. The lowest bits are flags, which
 * tell our owners from others before the pointer is followed:
 *
 *	SK_USER_DATA_NOCOPY alone	a connection, attached
 *	none				a listening socket, attached; or a
 *					connection that waits to be accepted
 *	any other			a sockmap's or a reuseport array's
 *
 * A new connection inherits sk_user_data and callbacks from its listening socket.
 * The inherited pointer is never followed, because the port that it points to may
 * be gone. It only marks the connection as owned: a BPF program that adds it to a
 * sockmap before it is accepted gets -EBUSY, as for any other socket of ours, and
 * the client is served.
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

/* Sockets kept by each CPU. */
#define SPARES_MAX 64

/*
 * NULL for a connection that is not attached yet: attaching looks for what has
 * happened before. SOCK_RCU_FREE tells a listening socket from the connections
 * that have inherited from it, which the kernel clears it for.
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

/* State changes and errors: the socket itself tells which it was. */
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
 * No delay, and a peer that is gone is noticed: kproxy_sockopts_defaults. Nobody
 * else knows the socket yet, so that it needs no lock, which each of the
 * functions for one option would take.
 */
static void sock_set_defaults(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	sk->sk_allocation = GFP_ATOMIC;
	sk->sk_use_task_frag = false;
	/*
	 * An urgent byte is one of the stream. Otherwise TCP skips the one that is
	 * read next when another comes, and moves copied_seq for that.
	 */
	sock_set_flag(sk, SOCK_URGINLINE);
	tp->nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
	sock_set_flag(sk, SOCK_KEEPOPEN);
	tp->keepalive_time = KPROXY_KEEPALIVE_IDLE * HZ;
	tp->keepalive_intvl = KPROXY_KEEPALIVE_INTERVAL * HZ;
	tp->keepalive_probes = KPROXY_KEEPALIVE_COUNT;
}

/**
 * kproxy_sock_create() - make a TCP socket that the data path can use
 * @net: the namespace it belongs to; no reference to it is taken
 * @family: AF_INET or AF_INET6
 * @socket: where it goes
 *
 * It and those that it accepts send without delay, notice a peer that is gone,
 * and allocate as softirq must.
 *
 * Context: process, may sleep.
 * Return: 0, the socket being the caller's, or what sock_create_kern() says.
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
 * kproxy_sock_create_for() - the same, for an owner
 * @net: the namespace it belongs to; no reference to it is taken
 * @family: AF_INET or AF_INET6
 * @owner: a socket of the owner's, which is not freed during the call
 * @socket: where it goes
 *
 * Context: process, may sleep.
 * Return: 0, the socket being the caller's; -ENOMEM when the owner's memory
 * cgroup is full; or what sock_create_kern() says.
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
 * kproxy_sock_delay_acks() - have what comes first acknowledged a bit later
 * @sk: a socket that listens, for those that it accepts; or one that is new, or
 *	locked
 *
 * TCP acknowledges the first bytes of a connection at once. This has it done
 * together with what is sent next, or within a tick, until one was that late or
 * kproxy_sock_ack_soon() is called. Whoever has Nagle's rule on and writes again
 * before it reads waits for it, but for no longer than a tick; then and later,
 * where TCP alone would have it wait for ten.
 *
 * Context: process.
 */
void kproxy_sock_delay_acks(struct sock *sk)
{
	inet_csk_enter_pingpong_mode(sk);
	WRITE_ONCE(inet_csk(sk)->icsk_delack_max, 1);
}

/**
 * kproxy_sock_ack_soon() - have a socket acknowledge as any other does
 * @sk: the socket, accepted and locked; what is put off stays so
 *
 * Context: any.
 */
void kproxy_sock_ack_soon(struct sock *sk)
{
	inet_csk_exit_pingpong_mode(sk);
	inet_csk(sk)->icsk_delack_max = TCP_DELACK_MAX;
}

/* True if nobody has changed what an accepted socket inherited. */
static bool sock_inherited(const struct sock *sk, const struct sock *listener)
{
	uintptr_t data = (uintptr_t)READ_ONCE(sk->sk_user_data);

	return data && !(data & ~SK_USER_DATA_PTRMASK) &&
	       READ_ONCE(sk->sk_data_ready) == sock_data_ready &&
	       READ_ONCE(sk->sk_prot) == READ_ONCE(listener->sk_prot);
}

/* What a socket had is kept, and it gets ours. */
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
 * A socket that was closed leaves a struct socket without a protocol, and its
 * inode. To free that and to make another one costs as much as two packets, so
 * that some are kept for clients to come. They stay charged to the memory cgroup
 * that they were made for, and only its clients get them. A CPU's own, with
 * preemption off.
 */
struct spares {
	struct socket *sockets[SPARES_MAX];
	unsigned int n;
	/* kproxy_memcg_id() of all that it has */
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
 * Keep a socket that has no protocol, or free it. Each that is not kept because
 * those of another cgroup are has one of them freed with it, so that none has the
 * place for ever.
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
 * kproxy_sock_exit() - free what was kept of sockets; none is left
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
 * kproxy_sock_accept() - accept a client, if one waits
 * @listener: the attached socket that listens
 * @client: where the client's socket goes
 *
 * A client whose socket another owner has taken is reset.
 *
 * Context: process, may sleep.
 * Return: 0, the socket being the caller's; -EAGAIN when none waits; -EBUSY when
 * a client was reset; or what else kernel_accept() says.
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
	if (!sock_inherited(socket->sk, listener->sk)) {
		kproxy_sock_reset(socket);
		return -EBUSY;
	}
	*client = socket;
	return 0;
}

/**
 * kproxy_sock_attach_new() - have a socket that we have just made report to us
 * @ks: what the socket gets; the caller keeps it for a grace period after
 *	kproxy_sock_detach()
 * @socket: the socket, which @ks owns from here on; it was neither connected nor
 *	does it listen, so that nobody else knows it
 * @ops: who is told
 *
 * Context: process.
 */
void kproxy_sock_attach_new(struct kproxy_sock *ks, struct socket *socket,
			    const struct kproxy_sock_ops *ops)
{
	sock_take_over(ks, socket, ops, SK_USER_DATA_NOCOPY);
}

/**
 * kproxy_sock_attach_listener() - the same for one that is going to listen
 * @ks: what the socket gets, as with kproxy_sock_attach_new()
 * @socket: the socket, which @ks owns from here on; it does not listen yet
 * @ops: who is told
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
 * kproxy_sock_attach() - have an accepted socket report to us
 * @ks: what the socket gets; the caller keeps it for a grace period after
 *	kproxy_sock_detach()
 * @socket: the socket, from kproxy_sock_accept(), which @ks owns from here on
 * @from: the attached socket that accepted it
 * @ops: who is told
 *
 * The socket came with the callbacks that @from has, which are ours; what it must
 * have when we are gone is what @from had before.
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
 * @ops: who is told from now on
 *
 * The socket always has an owner of ours, so that nobody else can take it
 * meanwhile.
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
 * kproxy_sock_detach() - have a socket report to us no more
 * @ks: the socket
 *
 * Owning the socket waits for a callback that runs under its lock, so that
 * none runs or begins after this, but for a listening socket's data_ready,
 * which is called without it: that may run until a grace period has passed.
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
 * kproxy_sock_close() - close a detached socket that has come to its end
 * @ks: the socket, in TCP_CLOSE
 *
 * What is left of it waits for kproxy_sock_accept().
 *
 * Not before: TCP stops the timers of a kernel's socket when it is closed, and
 * would never send again what was lost.
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
	/* As a new one is. */
	socket->ops = NULL;
	socket->state = SS_UNCONNECTED;
	socket->flags = 0;
	spare_put(socket, memcg);
}

/**
 * kproxy_sock_abort() - close a detached socket at once, resetting its peer
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
 * kproxy_sock_unread() - how much a socket has received that was not taken
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
 * kproxy_sock_read_done() - take bytes from what a socket has received
 * @sk: the socket, locked
 * @len: how many; as many are there
 *
 * Behind an urgent byte TCP's fast path is closed until that was read, which
 * tcp_read_done() does not look at.
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
 * kproxy_sock_unacked() - how much a peer has not acknowledged of what the socket
 *	was given
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
 * kproxy_sock_acked() - when a peer has acknowledged something last
 * @sk: the socket, connected
 * @when: the time goes here, in jiffies
 *
 * Or when the first of what is under way was sent, if that is later.
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

/* Both ends of a connection that leaves no namespace are in its hash table. */
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
 * kproxy_sock_peer() - the other end of a connection, if that is ours, too
 * @sk: a connected socket
 *
 * Context: RCU read-side critical section.
 * Return: the other end; NULL when it is not in this namespace, not attached,
 * or cannot be told because addresses are rewritten on the way.
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
 * kproxy_sock_is_loop() - whether a connection leads back to its own socket
 * @sk: a socket that was connected, and locked
 *
 * When nobody listens on a local port, a socket that connects there may get this
 * very port as its own. It then receives its own SYN, which TCP takes for that of a
 * peer that connects at the same time.
 *
 * Context: any.
 * Return: true if the socket is its own peer.
 */
bool kproxy_sock_is_loop(const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	if (likely(inet->inet_sport != inet->inet_dport))
		return false;
	if (sk->sk_family == AF_INET6 && !ipv6_addr_v4mapped(kproxy_v6_daddr(sk)))
		return ipv6_addr_equal(kproxy_v6_rcv_saddr(sk), kproxy_v6_daddr(sk));
	return inet->inet_rcv_saddr == inet->inet_daddr;
}
