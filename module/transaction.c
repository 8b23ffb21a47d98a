// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions: changes of the configuration that are made as a whole or not
 * at all. Between its begin and its commit, what the owner's socket asks for is
 * staged: new objects are made, with their memory and their bound sockets, but
 * no list has them; what happens to objects that exist is noted. The commit
 * prepares every change, which may fail and then undoes all, publishes every
 * change, which cannot fail, and lets go of what is not used any more.
 *
 * A change without a transaction takes the same way, as one of its own.
 *
 * A namespace has one transaction at most. It belongs to the socket that began
 * it, and is dropped when that is closed, however that comes about. It was
 * written for one generation of the configuration, and is refused on any other.
 *
 * The port does not identify the owner: netlink unhashes a socket that is closed,
 * so that its port can be reused, before it calls the release notifiers.
 *
 * A commit is bounded by KPROXY_STAGED_MAX requests and reschedules between two
 * changes, because it runs under the lock that all generic netlink families share.
 */
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <net/sock.h>
#include <uapi/linux/kproxy.h>

#include "netns.h"
#include "transaction.h"

/**
 * kproxy_change_init() - set up a change and mark its object
 * @change: the change
 * @ops: what is to be done
 * @mark: the object's pointer to it; somebody else's transaction may have one
 */
void kproxy_change_init(struct kproxy_change *change,
			const struct kproxy_change_ops *ops,
			struct kproxy_change **mark)
{
	INIT_LIST_HEAD(&change->node);
	change->ops = ops;
	change->mark = mark;
	change->before = *mark;
	*mark = change;
}

/**
 * kproxy_change_twice() - refuse a second change of an object
 * @extack: gets the reason
 *
 * Return: -EBUSY.
 */
int kproxy_change_twice(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "it is changed twice in one transaction");
	return -EBUSY;
}

static int refuse_stale(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack,
		       "somebody else has changed the configuration meanwhile");
	return -ESTALE;
}

static int changes_prepare(struct list_head *changes,
			   struct netlink_ext_ack *extack)
{
	struct kproxy_change *change;
	int err;

	list_for_each_entry(change, changes, node) {
		err = change->ops->prepare(change, extack);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static void changes_publish(struct list_head *changes)
{
	struct kproxy_change *change;
	bool grace = false;

	list_for_each_entry(change, changes, node) {
		change->ops->publish(change);
		grace |= change->grace;
		cond_resched();
	}
	if (grace)
		synchronize_rcu();
}

static void changes_finish(struct list_head *changes, bool published)
{
	struct kproxy_change *change, *next;

	list_for_each_entry_safe(change, next, changes, node) {
		*change->mark = change->before;
		list_del(&change->node);
		change->ops->finish(change, published);
		cond_resched();
	}
}

/* Nothing of it has been seen, so that it is no change of the configuration. */
static void changes_undo(struct kproxy_net *kn, struct list_head *changes)
{
	bool staging = kn->staging;

	kn->staging = true;
	changes_finish(changes, false);
	kn->staging = staging;
}

/* The changes are freed, whatever comes of it. */
static int changes_make(struct kproxy_net *kn, struct list_head *changes,
			struct netlink_ext_ack *extack)
{
	int err = changes_prepare(changes, extack);

	if (err) {
		changes_undo(kn, changes);
		return err;
	}
	changes_publish(changes);
	changes_finish(changes, true);
	return 0;
}

/**
 * kproxy_change_cancel() - let go of a change that was not submitted
 * @kn: the namespace's root, its lock held
 * @change: the change; the caller's no more
 *
 * Context: process, may sleep.
 */
void kproxy_change_cancel(struct kproxy_net *kn, struct kproxy_change *change)
{
	LIST_HEAD(alone);

	lockdep_assert_held(&kn->lock);
	list_add(&change->node, &alone);
	changes_undo(kn, &alone);
}

/**
 * kproxy_change_submit() - make a change, or stage it in the transaction
 * @kn: the namespace's root, its lock held
 * @change: the change; the caller's no more
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; what preparing it says, and then nothing has changed.
 */
int kproxy_change_submit(struct kproxy_net *kn, struct kproxy_change *change,
			 struct netlink_ext_ack *extack)
{
	LIST_HEAD(alone);

	lockdep_assert_held(&kn->lock);
	if (!kn->staging) {
		list_add(&change->node, &alone);
		return changes_make(kn, &alone, extack);
	}
	if (kn->changes == kn->generation) {
		list_add_tail(&change->node, &kn->staged);
		return 0;
	}
	kproxy_change_cancel(kn, change);
	return refuse_stale(extack);
}

/**
 * kproxy_transaction_init() - no transaction so far
 * @kn: the namespace's root
 */
void kproxy_transaction_init(struct kproxy_net *kn)
{
	INIT_LIST_HEAD(&kn->staged);
}

/**
 * kproxy_transaction_begin() - stage what a socket asks for from now on
 * @kn: the namespace's root, its lock held
 * @port: the socket's port
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
int kproxy_transaction_begin(struct kproxy_net *kn, u32 port, struct sock *sk,
			     const u32 *generation,
			     struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&kn->lock);
	if (kn->owner_sk == sk) {
		NL_SET_ERR_MSG(extack, "a transaction has begun already");
		return -EBUSY;
	}
	if (kn->owner) {
		NL_SET_ERR_MSG(extack, "somebody else is changing the configuration");
		return -EBUSY;
	}
	if (generation && *generation != (u32)kn->changes)
		return refuse_stale(extack);
	sock_hold(sk);
	kn->owner_sk = sk;
	WRITE_ONCE(kn->owner, port);
	kn->transaction++;
	kn->generation = kn->changes;
	WRITE_ONCE(kn->nr_staged, 0);
	return 0;
}

static int check_owner(const struct kproxy_net *kn, const struct sock *sk,
		       struct netlink_ext_ack *extack)
{
	if (kn->owner_sk == sk)
		return 0;
	NL_SET_ERR_MSG(extack, "no transaction has begun");
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
		err = changes_make(kn, &kn->staged, extack);
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
 * @port: the port of the requester, with or without a transaction
 * @extack: gets the reason of a refusal
 *
 * Context: any. Nothing needs the limit to be exact.
 * Return: 0 or -ENOSPC.
 */
int kproxy_transaction_admit(const struct kproxy_net *kn, u32 port,
			     struct netlink_ext_ack *extack)
{
	if (READ_ONCE(kn->owner) != port ||
	    READ_ONCE(kn->nr_staged) < KPROXY_STAGED_MAX)
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "a transaction has at most %u requests",
			   KPROXY_STAGED_MAX);
	return -ENOSPC;
}

/**
 * kproxy_transaction_enter() - stage what an owner asks for until the leave
 * @kn: the namespace's root, its lock held
 * @sk: who asks for it
 */
void kproxy_transaction_enter(struct kproxy_net *kn, const struct sock *sk)
{
	lockdep_assert_held(&kn->lock);
	kn->staging = sk && kn->owner_sk == sk;
	if (kn->staging)
		WRITE_ONCE(kn->nr_staged, kn->nr_staged + 1);
}

/**
 * kproxy_transaction_leave() - what comes now is not staged
 * @kn: the namespace's root, its lock held
 */
void kproxy_transaction_leave(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	kn->staging = false;
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
	changes_undo(kn, &kn->staged);
	WRITE_ONCE(kn->owner, 0);
	if (kn->owner_sk)
		sock_put(kn->owner_sk);
	kn->owner_sk = NULL;
}

/**
 * kproxy_transaction_port_closed() - forget the transaction of a closed socket
 * @net: the socket's namespace
 * @port: its port
 *
 * Called for every generic netlink socket of the system when it is closed, after
 * its port was given up. Only the owner, whose begin has returned, or a socket that
 * had the owner's port before takes the lock. SOCK_DEAD tells the two apart.
 *
 * Context: process, may sleep.
 */
void kproxy_transaction_port_closed(struct net *net, u32 port)
{
	struct kproxy_net *kn = kproxy_net(net);

	if (READ_ONCE(kn->owner) != port)
		return;
	mutex_lock(&kn->lock);
	if (kn->owner == port && sock_flag(kn->owner_sk, SOCK_DEAD))
		kproxy_transaction_drop(kn);
	mutex_unlock(&kn->lock);
}
