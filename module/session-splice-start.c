// SPDX-License-Identifier: GPL-2.0
/*
 * Begins a splice, in the task whose sockets it is to have. The session is
 * choosing, as if it waited for a server, from the moment at which it can be
 * found until its descriptor is installed. No byte moves in that state, so that
 * a request that fails at any point has changed nothing.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <linux/wait_bit.h>
#include <net/sock.h>

#include "fault.h"
#include "quota.h"
#include "root.h"
#include "session.h"
#include "session-event.h"
#include "session-pump.h"
#include "session-splice.h"
#include "session-splice-start.h"
#include "shared.h"

/* There has been a splice since the module was loaded. */
static bool splices_used;

static const struct kproxy_sock_ops *const side_ops[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = &kproxy_session_client_ops,
	[KPROXY_SERVER] = &kproxy_session_server_ops,
};

/**
 * kproxy_splice_exit() - wait for tasks that are about to call a callback
 *
 * A socket's errors are also reported by tasks that hold no lock and may be
 * preempted when they have read the callback's address.
 *
 * Context: process, sleeps; no splice is left.
 */
void kproxy_splice_exit(void)
{
	if (splices_used)
		synchronize_rcu_tasks();
}

/**
 * kproxy_splice_prepare() - allocate what a namespace needs for its first
 * splice
 * @kn: the namespace's root, kproxy_net_used(), its lock held
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_splice_prepare(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	if (!kn->splices)
		kn->splices = kproxy_stats_new();
	return kn->splices ? 0 : -ENOMEM;
}

/*
 * Make the pair of sockets: the session's end, and a file for the program's.
 * Nothing can be sent to the session's end: a program could send its own
 * descriptor there, and it would never be closed.
 */
static int control_open(struct net *net, struct socket **control,
			struct file **file)
{
	struct socket *end;
	int err;

	err = sock_create_kern(net, AF_UNIX, SOCK_SEQPACKET, 0, control);
	if (err)
		return err;
	err = __sock_create(net, AF_UNIX, SOCK_SEQPACKET, 0, &end, 0);
	if (err)
		goto err_control;
	err = READ_ONCE(end->ops)->socketpair(end, *control);
	if (!err)
		err = kernel_sock_shutdown(*control, SHUT_RD);
	if (err) {
		sock_release(end);
		goto err_control;
	}
	/* Releases the socket if it fails. */
	*file = sock_alloc_file(end, O_CLOEXEC, NULL);
	if (!IS_ERR(*file))
		return 0;
	err = PTR_ERR(*file);
err_control:
	sock_release(*control);
	return err;
}

static struct kproxy_splice *
splice_new(struct net *net, const struct kproxy_splice_request *request,
	   struct file **file, struct netlink_ext_ack *extack)
{
	struct kproxy_splice *splice;
	int err;

	splice = kzalloc(sizeof(*splice), GFP_KERNEL_ACCOUNT);
	if (!splice)
		return ERR_PTR(-ENOMEM);
	splice->user = kproxy_quota_user_charge(extack);
	if (IS_ERR(splice->user)) {
		err = PTR_ERR(splice->user);
		goto err_splice;
	}
	err = control_open(net, &splice->control, file);
	if (err)
		goto err_user;
	splice->detach = request->detach;
	splice->admin = request->admin;
	strscpy_pad(splice->label, request->label);
	INIT_DELAYED_WORK(&splice->watch, kproxy_splice_watch);
	init_waitqueue_func_entry(&splice->wait, kproxy_splice_wake);
	return splice;

err_user:
	kproxy_quota_user_uncharge(splice->user);
	kproxy_quota_user_put(splice->user);
err_splice:
	kfree(splice);
	return ERR_PTR(err);
}

static void splice_free(struct kproxy_splice *splice)
{
	kproxy_quota_user_uncharge(splice->user);
	kproxy_quota_user_put(splice->user);
	sock_release(splice->control);
	kfree(splice);
}

static void pump_limit(struct kproxy_pump *pump, u64 bytes)
{
	pump->limited = bytes;
	pump->left = bytes;
}

static struct kproxy_session *
session_new(struct kproxy_net *kn, struct kproxy_splice *splice,
	    const struct kproxy_splice_request *request)
{
	const struct sock *a = sock_from_file(request->files[KPROXY_CLIENT])->sk;
	const struct sock *b = sock_from_file(request->files[KPROXY_SERVER])->sk;
	struct kproxy_session *s = kproxy_pool_get(&kproxy_pool);
	enum kproxy_side side;

	if (!s)
		return NULL;
	kproxy_session_init(s, kn);
	__set_bit(KPROXY_SESSION_SPLICE, &s->flags);
	s->listener_stats = kn->splices;
	s->server_stats = kn->splices;
	s->times.idle = msecs_to_jiffies(request->idle);
	s->times.fin = s->times.idle;
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		pump_limit(&s->pumps[side], request->bytes[side]);
	kproxy_addr_peer(&s->client, a);
	kproxy_addr_local(&s->local, a);
	kproxy_addr_local(&s->source, b);
	kproxy_addr_peer(&splice->server, b);
	splice->session = s;
	s->splice = splice;
	return s;
}

/*
 * Whether bytes that leave by the server's side come back by the client's, or
 * pass through too many sessions: they would go round in softirq, and cost
 * nobody's time. Each splice looks after it has its sockets, so that the last
 * one of a loop sees all others.
 */
static bool session_loops(const struct kproxy_session *s)
{
	const struct sock *sk = s->socks[KPROXY_SERVER].sk;
	const struct kproxy_session *next;
	enum kproxy_side side;
	unsigned int hops;
	bool loops = true;

	/* Pairs with that of another splice: one sees the other's sockets. */
	smp_mb();
	rcu_read_lock();
	for (hops = 0; hops < KPROXY_HOPS_MAX; hops++) {
		next = kproxy_session_of(kproxy_sock_peer(sk, true), &side);
		sk = next ? READ_ONCE(next->socks[!side].sk) : NULL;
		if (!sk || next == s) {
			loops = next == s;
			break;
		}
	}
	rcu_read_unlock();
	return loops;
}

static int session_borrow(struct kproxy_session *s,
			  struct kproxy_splice_request *request,
			  struct netlink_ext_ack *extack)
{
	enum kproxy_side side;
	const char *why;
	int err;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		err = kproxy_sock_borrow(&s->socks[side], request->files[side],
					 side_ops[side], &s->splice->loans[side],
					 &why);
		if (err) {
			NL_SET_ERR_MSG_FMT(extack, "%s", why);
			request->refused = side;
			return err;
		}
		kproxy_fault_point(KPROXY_POINT_SPLICE_BORROWED);
	}
	if (!session_loops(s))
		return 0;
	NL_SET_ERR_MSG(extack,
		       "bytes would come back, or pass too many sessions");
	return -ELOOP;
}

/**
 * kproxy_splice_start() - begin a splice of the calling task
 * @kn: the namespace's root, kproxy_splice_prepare() was called
 * @request: what is to be spliced
 * @file: where a file is stored for the task's descriptor
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: the splice, for kproxy_splice_go() or kproxy_splice_cancel(); an
 * ERR_PTR, with nothing changed.
 */
struct kproxy_session *kproxy_splice_start(struct kproxy_net *kn,
					   struct kproxy_splice_request *request,
					   struct file **file,
					   struct netlink_ext_ack *extack)
{
	struct kproxy_splice *splice;
	struct kproxy_session *s;
	int err = -ENOMEM;

	request->refused = KPROXY_SIDES;
	WRITE_ONCE(splices_used, true);
	splice = splice_new(kn->net, request, file, extack);
	if (IS_ERR(splice))
		return ERR_CAST(splice);
	s = session_new(kn, splice, request);
	if (!s)
		goto err_splice;
	/* The caller's, as it may end before this returns. */
	refcount_inc(&s->refs);
	mutex_lock(&s->life);
	err = kproxy_session_publish(s);
	if (err)
		goto err_session;
	kproxy_fault_point(KPROXY_POINT_SPLICE_PUBLISHED);
	add_wait_queue(&splice->control->wq.wait, &splice->wait);
	err = session_borrow(s, request, extack);
	mutex_unlock(&s->life);
	if (!err)
		return s;
	kproxy_splice_cancel(s);
	fput(*file);
	return ERR_PTR(err);

err_session:
	mutex_unlock(&s->life);
	mutex_destroy(&s->life);
	kproxy_pool_put(&kproxy_pool, s);
err_splice:
	fput(*file);
	splice_free(splice);
	return ERR_PTR(err);
}

/* Handle what happened to a socket before its bytes may move. */
static void session_check(struct kproxy_session *s, enum kproxy_side side)
{
	struct kproxy_sock *ks = &s->socks[side];

	lock_sock(ks->sk);
	/* Nothing can be sent to it. The pump that could runs under this lock. */
	if (ks->sk->sk_shutdown & SEND_SHUTDOWN)
		s->pumps[!side].ended = true;
	ks->ops->changed(ks);
	release_sock(ks->sk);
}

/**
 * kproxy_splice_check() - look at what came before a splice's bytes may move
 * @s: the splice, its life locked
 *
 * Context: the life work.
 */
void kproxy_splice_check(struct kproxy_session *s)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		session_check(s, side);
	kproxy_fault_point(KPROXY_POINT_SPLICE_CHECKED);
	/* The program has shut both down already. */
	if (s->pumps[KPROXY_CLIENT].ended && s->pumps[KPROXY_SERVER].ended)
		kproxy_session_event(s, KPROXY_EV_KILL,
				     KPROXY_REASON_UNSPLICED);
}

/**
 * kproxy_splice_go() - let a splice's bytes move
 * @s: the splice, from kproxy_splice_start(); the caller's reference goes
 *
 * Waits for no lock of the program's sockets, since a request holds a lock of
 * generic netlink.
 *
 * Context: process, may sleep.
 */
void kproxy_splice_go(struct kproxy_session *s)
{
	kproxy_fault_point(KPROXY_POINT_SPLICE_GO);
	/* Only the life work may have it, which ends the splice then. */
	if (!mutex_trylock(&s->life))
		goto out;
	if (kproxy_session_event(s, KPROXY_EV_TAKEN, KPROXY_REASON_NONE)) {
		kproxy_session_announce(s);
		kproxy_session_arm(s);
		set_bit(KPROXY_SESSION_UNCHECKED, &s->flags);
		set_bit(KPROXY_SESSION_OWNED, &s->flags);
		kproxy_session_schedule_life(s);
	}
	mutex_unlock(&s->life);
out:
	kproxy_session_put(s);
}

/**
 * kproxy_splice_cancel() - end a splice whose bytes have not moved, and wait
 * @s: the splice, from kproxy_splice_start(); the caller's reference goes
 *
 * Context: process, may sleep.
 */
void kproxy_splice_cancel(struct kproxy_session *s)
{
	kproxy_session_event(s, KPROXY_EV_KILL, KPROXY_REASON_UNSPLICED);
	/* Not for ever: the program may keep a socket locked. */
	wait_var_event_timeout(&s->splice->ended,
			       /* pairs with the release in splice_report() */
			       smp_load_acquire(&s->splice->ended), HZ / 10);
	kproxy_session_put(s);
}
