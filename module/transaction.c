// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions: changes of the configuration that are made as a whole or not at
 * all. Each request for a change is staged in a view: the transaction's, from
 * its begin to its commit, or a view of the request's own, which is committed
 * at the end of the request.
 *
 * New objects are staged with their memory and their bound sockets. The commit
 * counts the users of every change, prepares every change, which may fail and
 * then undoes all, publishes every change, which cannot fail, and releases
 * unused objects. No other file depends on whether there is a transaction.
 *
 * A namespace has one transaction at most. It belongs to the socket that began
 * it, and is dropped when that is closed, however that comes about. It was
 * written for one generation of the configuration, and is refused on any other.
 *
 * The portid does not identify the owner: netlink unhashes a socket that is
 * closed, so that its portid can be reused, before it calls the release
 * notifiers.
 *
 * A commit is bounded by KPROXY_STAGED_MAX requests and reschedules between two
 * changes, because it holds generic netlink's cb_lock for reading: once
 * somebody registers a family, requests to all families wait until the commit
 * has ended.
 */
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <net/sock.h>
#include <uapi/linux/kproxy.h>

#include "root.h"
#include "transaction.h"

/**
 * kproxy_change_stage() - add a change to a view
 * @change: the change, with ops, obj, states and next set; owned by the view
 *	from here on
 * @view: the view, its configuration lock held, without a change of
 *	@change->states
 */
void kproxy_change_stage(struct kproxy_change *change, struct kproxy_view *view)
{
	lockdep_assert_held(&view->kn->lock);
	kproxy_next_add(change->states, change->next, view);
	list_add_tail(&change->node, &view->changes);
}

/**
 * kproxy_change_twice() - refuse a second change of an object
 * @extack: gets the reason
 *
 * Return: -EBUSY.
 */
int kproxy_change_twice(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "changed twice in one transaction");
	return -EBUSY;
}

static int refuse_stale(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack,
		       "the configuration has changed meanwhile");
	return -ESTALE;
}

static void view_init(struct kproxy_view *view, struct kproxy_net *kn,
		      bool single)
{
	view->kn = kn;
	view->single = single;
	view->bad = KPROXY_NO_ADDRESS;
	INIT_LIST_HEAD(&view->changes);
}

/* The sender of a transaction has to be told which object was refused. */
static void describe(const struct kproxy_object *obj,
		     struct netlink_ext_ack *extack)
{
	char reason[NETLINK_MAX_FMTMSG_LEN];

	if (!extack || !extack->_msg)
		return;
	strscpy(reason, extack->_msg, sizeof(reason));
	NL_SET_ERR_MSG_FMT(extack, "%s \"%s\": %s", obj->kind->name, obj->name,
			   reason);
}

static void view_count(const struct kproxy_view *view, int one)
{
	struct kproxy_change *change;

	list_for_each_entry(change, &view->changes, node) {
		if (change->ops->count)
			change->ops->count(change, one);
		cond_resched();
	}
}

static int view_prepare(const struct kproxy_view *view,
			struct netlink_ext_ack *extack)
{
	struct kproxy_change *change;
	int err;

	list_for_each_entry(change, &view->changes, node) {
		err = change->ops->prepare ?
			      change->ops->prepare(change, extack) : 0;
		if (err) {
			if (!view->single)
				describe(change->obj, extack);
			return err;
		}
		cond_resched();
	}
	return 0;
}

static void view_publish(const struct kproxy_view *view)
{
	struct kproxy_change *change;
	bool grace = false;

	list_for_each_entry(change, &view->changes, node) {
		kproxy_net_changed(view->kn);
		if (change->ops->publish)
			change->ops->publish(change);
		grace |= change->grace;
		cond_resched();
	}
	if (grace)
		synchronize_rcu();
}

/* The changes are freed. */
static void view_finish(struct kproxy_view *view, bool published)
{
	struct kproxy_change *change, *next;

	list_for_each_entry_safe(change, next, &view->changes, node) {
		kproxy_next_del(change->states, change->next);
		list_del(&change->node);
		change->ops->finish(change, published);
		cond_resched();
	}
}

/* Make the view current; whatever the result, its changes are gone. */
static int view_commit(struct kproxy_view *view, struct netlink_ext_ack *extack)
{
	int err;

	view_count(view, 1);
	err = view_prepare(view, extack);
	if (err)
		view_count(view, -1);
	else
		view_publish(view);
	view_finish(view, !err);
	return err;
}

/**
 * kproxy_transaction_init() - no transaction so far
 * @kn: the namespace's root
 */
void kproxy_transaction_init(struct kproxy_net *kn)
{
	view_init(&kn->staged, kn, false);
}

/**
 * kproxy_transaction_begin() - stage what a socket asks for from now on
 * @kn: the namespace's root, its lock held
 * @portid: the socket's portid
 * @sk: the socket
 * @generation: what the configuration must be, NULL for whatever it is
 * @extack: gets the reason of a refusal
 *
 * Nothing but its owner ends a transaction: what that asks for afterwards would
 * be done at once.
 *
 * Return: 0; -EBUSY while there is a transaction, this socket's or another's;
 * -ESTALE.
 */
int kproxy_transaction_begin(struct kproxy_net *kn, u32 portid, struct sock *sk,
			     const u32 *generation,
			     struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&kn->lock);
	if (kn->owner_sk == sk) {
		NL_SET_ERR_MSG(extack, "this socket already has a transaction");
		return -EBUSY;
	}
	if (kn->owner) {
		NL_SET_ERR_MSG(extack, "another transaction is in progress");
		return -EBUSY;
	}
	if (generation && *generation != (u32)kn->changes)
		return refuse_stale(extack);
	sock_hold(sk);
	kn->owner_sk = sk;
	WRITE_ONCE(kn->owner, portid);
	kn->generation = kn->changes;
	WRITE_ONCE(kn->nr_staged, 0);
	return 0;
}

static int check_owner(const struct kproxy_net *kn, const struct sock *sk,
		       struct netlink_ext_ack *extack)
{
	if (kn->owner_sk == sk)
		return 0;
	NL_SET_ERR_MSG(extack, "this socket has no transaction");
	return -ENOENT;
}

/**
 * kproxy_transaction_commit() - make all that a socket has staged
 * @kn: the namespace's root, its lock held
 * @sk: the socket
 * @extack: gets the reason of a refusal
 *
 * The transaction has ended with this, whatever comes of it.
 *
 * Context: process, sleeps until listeners that close have done their work.
 * Return: 0; -ENOENT without a transaction; -ESTALE when the configuration has
 * changed since it began; what preparing a change says. After a failure nothing
 * has changed.
 */
int kproxy_transaction_commit(struct kproxy_net *kn, const struct sock *sk,
			      struct netlink_ext_ack *extack)
{
	int err = check_owner(kn, sk, extack);

	lockdep_assert_held(&kn->lock);
	if (err)
		return err;
	if (kn->changes == kn->generation)
		err = view_commit(&kn->staged, extack);
	else
		err = refuse_stale(extack);
	kproxy_transaction_drop(kn);
	return err;
}

/**
 * kproxy_transaction_abort() - forget all that a socket has staged
 * @kn: the namespace's root, its lock held
 * @sk: the socket
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0, or -ENOENT without a transaction.
 */
int kproxy_transaction_abort(struct kproxy_net *kn, const struct sock *sk,
			     struct netlink_ext_ack *extack)
{
	int err = check_owner(kn, sk, extack);

	lockdep_assert_held(&kn->lock);
	if (!err)
		kproxy_transaction_drop(kn);
	return err;
}

/**
 * kproxy_transaction_admit() - whether a transaction may have one more request
 * @kn: the namespace's root
 * @portid: the portid of the requester, with or without a transaction
 * @extack: gets the reason of a refusal
 *
 * Context: any. Nothing needs the limit to be exact.
 * Return: 0 or -ENOSPC.
 */
int kproxy_transaction_admit(const struct kproxy_net *kn, u32 portid,
			     struct netlink_ext_ack *extack)
{
	if (READ_ONCE(kn->owner) != portid ||
	    READ_ONCE(kn->nr_staged) < KPROXY_STAGED_MAX)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "a transaction has at most %u requests",
			   KPROXY_STAGED_MAX);
	return -ENOSPC;
}

/**
 * kproxy_transaction_enter() - begin a request for a change
 * @kn: the namespace's root, its lock held until kproxy_transaction_leave()
 * @sk: the requester's socket
 * @own: storage for the view of a requester without a transaction
 *
 * Return: the view to look objects up in and to stage the request in.
 */
struct kproxy_view *kproxy_transaction_enter(struct kproxy_net *kn,
					     const struct sock *sk,
					     struct kproxy_view *own)
{
	lockdep_assert_held(&kn->lock);
	if (kn->owner_sk == sk) {
		WRITE_ONCE(kn->nr_staged, kn->nr_staged + 1);
		kn->staged.bad = KPROXY_NO_ADDRESS;
		return &kn->staged;
	}
	view_init(own, kn, true);
	return own;
}

/**
 * kproxy_transaction_leave() - end a request for a change
 * @view: its view
 * @err: the result so far; after an error a transaction has nothing of the
 *	request
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: @err; the error of a failed commit, which has changed nothing;
 * -ESTALE for a transaction that can no longer be committed.
 */
int kproxy_transaction_leave(struct kproxy_view *view, int err,
			     struct netlink_ext_ack *extack)
{
	struct kproxy_net *kn = view->kn;

	lockdep_assert_held(&kn->lock);
	if (view->single && !err)
		return view_commit(view, extack);
	if (view->single)
		view_finish(view, false);
	if (err)
		return err;
	if (kn->changes == kn->generation)
		return 0;
	view_finish(view, false);
	return refuse_stale(extack);
}

/**
 * kproxy_transaction_drop() - forget the transaction, if there is one
 * @kn: the namespace's root, its lock held
 *
 * Context: process, may sleep.
 */
void kproxy_transaction_drop(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	view_finish(&kn->staged, false);
	WRITE_ONCE(kn->owner, 0);
	if (kn->owner_sk)
		sock_put(kn->owner_sk);
	kn->owner_sk = NULL;
}

/**
 * kproxy_transaction_portid_closed() - forget the transaction of a closed
 * socket
 * @kn: the root of the socket's namespace
 * @portid: its portid
 *
 * Called for every generic netlink socket of the system when it is closed,
 * after its portid was given up. Only the owner, whose begin has returned, or a
 * socket that had the owner's portid before takes the lock. SOCK_DEAD tells the
 * two apart.
 *
 * Context: process, may sleep.
 */
void kproxy_transaction_portid_closed(struct kproxy_net *kn, u32 portid)
{
	if (READ_ONCE(kn->owner) != portid)
		return;
	mutex_lock(&kn->lock);
	if (kn->owner == portid && sock_flag(kn->owner_sk, SOCK_DEAD))
		kproxy_transaction_drop(kn);
	mutex_unlock(&kn->lock);
}
