// SPDX-License-Identifier: GPL-2.0
/*
 * Limits for network namespaces that belong to a user namespace other than the
 * initial one. Any user can create such namespaces and is root in them.
 * Therefore they can be configured only if the module was loaded with userns=1,
 * and then within limits.
 *
 * A user can also create thousands of namespaces, so all namespaces of a user
 * together may have OWNER_SHARE times as much as one. The user is the owner of
 * the outermost user namespace below the initial one, because nested ones can
 * have other user ids of its range.
 *
 * Splices need no capability. Therefore they are limited for each user, in the
 * initial user namespace as well.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/netlink.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "param.h"
#include "quota.h"
#include "sample.h"
#include "shared.h"

/* A user's limits, in multiples of those of a namespace. */
#define OWNER_SHARE 16

static unsigned int userns;
KPROXY_PARAM(userns, 0, 1);
MODULE_PARM_DESC(userns,
		 "1: allow network namespaces of user namespaces to be configured, within limits");

static unsigned int userns_objects = 1024;
KPROXY_PARAM(userns_objects, 1, 1 << 20);
MODULE_PARM_DESC(userns_objects,
		 "most listeners, addresses, upstreams, servers and routes, together, of such a namespace");

static unsigned int userns_connections = 256;
KPROXY_PARAM(userns_connections, 0, 1 << 20);
MODULE_PARM_DESC(userns_connections,
		 "most connections that such a namespace makes ahead");

static unsigned int userns_checks = 100;
KPROXY_PARAM(userns_checks, 0, 1 << 20);
MODULE_PARM_DESC(userns_checks, "most checks a second of such a namespace");

static unsigned int user_splices = 4096;
KPROXY_PARAM(user_splices, 0, 1 << 20);
MODULE_PARM_DESC(user_splices,
		 "most splices of a user without CAP_NET_ADMIN in the initial user namespace");

/* All namespaces and splices of one user. */
struct kproxy_quota_user {
	struct list_head node;
	kuid_t uid;
	refcount_t refs;
	/* of the namespaces */
	atomic64_t used[KPROXY_QUOTAS];
	atomic64_t splices;
	/*
	 * Ends the splices: what a user's program blocks is its own only. NULL
	 * until the first.
	 */
	struct workqueue_struct *wq;
	struct work_struct free;
	/* held while @sample is used */
	spinlock_t lock;
	/* of the splices that the log has */
	struct kproxy_sample sample;
};

/* One network namespace. */
struct kproxy_quota {
	struct kproxy_quota_user *owner;
	refcount_t refs;
	atomic64_t used[KPROXY_QUOTAS];
};

static LIST_HEAD(owners);
/* Protects the list; taken with interrupts off. */
static DEFINE_SPINLOCK(owners_lock);

static u64 quota_limit(enum kproxy_quota_kind kind)
{
	switch (kind) {
	case KPROXY_QUOTA_OBJECTS:
		return userns_objects;
	case KPROXY_QUOTA_CONNECTIONS:
		return userns_connections;
	default:
		return 1000ULL * userns_checks;
	}
}

/**
 * kproxy_quota_applies() - check whether a namespace is limited
 * @net: the namespace
 *
 * Context: any.
 * Return: true if it belongs to a user namespace other than the initial one.
 */
bool kproxy_quota_applies(const struct net *net)
{
	return net->user_ns != &init_user_ns;
}

/**
 * kproxy_quota_admit() - check whether a namespace may be configured at all
 * @net: the namespace
 * @extack: gets the reason of a refusal
 *
 * The caller's CAP_NET_ADMIN was checked before.
 *
 * Context: any.
 * Return: 0 or -EPERM.
 */
int kproxy_quota_admit(const struct net *net, struct netlink_ext_ack *extack)
{
	if (userns || !kproxy_quota_applies(net))
		return 0;
	NL_SET_ERR_MSG(extack,
		       "not permitted in a user namespace: kproxy was loaded without userns=1");
	return -EPERM;
}

/* The user that a user namespace, not the initial one, counts for. */
static kuid_t owner_uid(const struct user_namespace *ns)
{
	while (ns->parent && ns->parent != &init_user_ns)
		ns = ns->parent;
	return ns->owner;
}

static struct kproxy_quota_user *owner_find(kuid_t uid)
{
	struct kproxy_quota_user *owner;

	list_for_each_entry(owner, &owners, node)
		if (uid_eq(owner->uid, uid))
			return owner;
	return NULL;
}

static struct kproxy_quota_user *owner_get(kuid_t uid)
{
	struct kproxy_quota_user *fresh, *owner;
	unsigned long flags;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->uid = uid;
	refcount_set(&fresh->refs, 1);
	spin_lock_init(&fresh->lock);
	spin_lock_irqsave(&owners_lock, flags);
	owner = owner_find(uid);
	if (owner)
		refcount_inc(&owner->refs);
	else
		list_add(&fresh->node, &owners);
	spin_unlock_irqrestore(&owners_lock, flags);
	if (!owner)
		return fresh;
	kfree(fresh);
	return owner;
}

/* A queue can't be destroyed by its own work, nor where the last reference goes. */
static void owner_free(struct work_struct *work)
{
	struct kproxy_quota_user *owner =
		container_of(work, struct kproxy_quota_user, free);

	destroy_workqueue(owner->wq);
	kfree(owner);
}

static void owner_put(struct kproxy_quota_user *owner)
{
	unsigned long flags;
	bool last;

	spin_lock_irqsave(&owners_lock, flags);
	last = refcount_dec_and_test(&owner->refs);
	if (last)
		list_del(&owner->node);
	spin_unlock_irqrestore(&owners_lock, flags);
	if (!last)
		return;
	if (owner->wq) {
		INIT_WORK(&owner->free, owner_free);
		queue_work(kproxy_wq, &owner->free);
	} else {
		kfree(owner);
	}
}

static bool owner_make_wq(struct kproxy_quota_user *owner)
{
	struct workqueue_struct *wq;

	if (READ_ONCE(owner->wq))
		return true;
	wq = alloc_workqueue("kproxy_splice", WQ_UNBOUND, 0);
	if (wq && cmpxchg(&owner->wq, NULL, wq))
		destroy_workqueue(wq);
	return READ_ONCE(owner->wq);
}

/**
 * kproxy_quota_new() - start counting what a namespace has
 * @net: the namespace
 * @quota: where the count is stored, owned by the caller; NULL for no limit
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_quota_new(const struct net *net, struct kproxy_quota **quota)
{
	struct kproxy_quota *q;

	*quota = NULL;
	if (!kproxy_quota_applies(net))
		return 0;
	q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	if (!q)
		return -ENOMEM;
	q->owner = owner_get(owner_uid(net->user_ns));
	if (!q->owner) {
		kfree(q);
		return -ENOMEM;
	}
	refcount_set(&q->refs, 1);
	*quota = q;
	return 0;
}

/**
 * kproxy_quota_hold() - take a reference
 * @quota: the count, or NULL
 *
 * Context: any.
 * Return: @quota.
 */
struct kproxy_quota *kproxy_quota_hold(struct kproxy_quota *quota)
{
	if (quota)
		refcount_inc(&quota->refs);
	return quota;
}

/**
 * kproxy_quota_put() - drop a reference
 * @quota: the count, or NULL
 *
 * Context: any.
 */
void kproxy_quota_put(struct kproxy_quota *quota)
{
	if (!quota || !refcount_dec_and_test(&quota->refs))
		return;
	owner_put(quota->owner);
	kfree(quota);
}

static bool used_add(atomic64_t *used, u64 n, u64 most)
{
	s64 old = atomic64_read(used);

	do {
		if (n > most || old > most - n)
			return false;
	} while (!atomic64_try_cmpxchg(used, &old, old + n));
	return true;
}

static void quota_refuse(enum kproxy_quota_kind kind, bool owner,
			 struct netlink_ext_ack *extack)
{
	static const char *const what[KPROXY_QUOTAS] = {
		[KPROXY_QUOTA_OBJECTS] = "objects (userns_objects)",
		[KPROXY_QUOTA_CONNECTIONS] = "connections (userns_connections)",
		[KPROXY_QUOTA_CHECKS] = "checks a second (userns_checks)",
	};
	u64 most = quota_limit(kind);

	if (kind == KPROXY_QUOTA_CHECKS)
		most /= 1000;
	if (owner)
		NL_SET_ERR_MSG_FMT(extack, "a user's namespaces have at most %llu %s",
				   OWNER_SHARE * most, what[kind]);
	else
		NL_SET_ERR_MSG_FMT(extack, "a namespace has at most %llu %s",
				   most, what[kind]);
}

/**
 * kproxy_quota_charge() - charge a namespace for a resource
 * @quota: the count, NULL for no limit
 * @kind: the resource
 * @n: how much more
 * @extack: gets the reason of a refusal
 *
 * Context: any.
 * Return: 0; -EDQUOT with nothing charged.
 */
int kproxy_quota_charge(struct kproxy_quota *quota, enum kproxy_quota_kind kind,
			u64 n, struct netlink_ext_ack *extack)
{
	u64 most = quota_limit(kind);

	if (!quota || !n)
		return 0;
	if (!used_add(&quota->used[kind], n, most)) {
		quota_refuse(kind, false, extack);
		return -EDQUOT;
	}
	if (!used_add(&quota->owner->used[kind], n, OWNER_SHARE * most)) {
		atomic64_sub(n, &quota->used[kind]);
		quota_refuse(kind, true, extack);
		return -EDQUOT;
	}
	return 0;
}

/**
 * kproxy_quota_uncharge() - undo a charge
 * @quota: the count, NULL for no limit
 * @kind: the resource
 * @n: how much less
 *
 * Context: any.
 */
void kproxy_quota_uncharge(struct kproxy_quota *quota,
			   enum kproxy_quota_kind kind, u64 n)
{
	if (!quota || !n)
		return;
	atomic64_sub(n, &quota->used[kind]);
	atomic64_sub(n, &quota->owner->used[kind]);
}

/**
 * kproxy_quota_user_charge() - charge the calling task's user for a splice
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: the user, for kproxy_quota_user_uncharge(); or an ERR_PTR.
 */
struct kproxy_quota_user *kproxy_quota_user_charge(struct netlink_ext_ack *extack)
{
	const struct user_namespace *ns = current_user_ns();
	struct kproxy_quota_user *user;
	u64 most = user_splices;

	if (ns_capable_noaudit(&init_user_ns, CAP_NET_ADMIN))
		most = S64_MAX;
	user = owner_get(ns == &init_user_ns ? current_euid() : owner_uid(ns));
	if (!user)
		return ERR_PTR(-ENOMEM);
	if (!owner_make_wq(user)) {
		owner_put(user);
		return ERR_PTR(-ENOMEM);
	}
	if (used_add(&user->splices, 1, most))
		return user;
	owner_put(user);
	NL_SET_ERR_MSG_FMT(extack, "a user has at most %llu splices (user_splices)",
			   most);
	return ERR_PTR(-EDQUOT);
}

/**
 * kproxy_quota_user_uncharge() - undo the charge of a splice
 * @user: from kproxy_quota_user_charge()
 *
 * Context: any.
 */
void kproxy_quota_user_uncharge(struct kproxy_quota_user *user)
{
	atomic64_dec(&user->splices);
}

/**
 * kproxy_quota_user_sample() - choose whether the log has a splice of a user
 * @user: from kproxy_quota_user_charge()
 * @omitted: if it has, gets how many it has not since the last
 *
 * A program that makes splices as fast as it can would push all else out of it.
 *
 * Context: process.
 * Return: true if it has.
 */
bool kproxy_quota_user_sample(struct kproxy_quota_user *user, u32 *omitted)
{
	bool chosen;

	spin_lock(&user->lock);
	chosen = kproxy_sample_refused(&user->sample, jiffies, omitted);
	spin_unlock(&user->lock);
	return chosen;
}

/**
 * kproxy_quota_drain() - wait for the works that end splices
 *
 * Context: process, sleeps; no splice begins any more.
 */
void kproxy_quota_drain(void)
{
	struct kproxy_quota_user *user, *done = NULL;

	do {
		spin_lock_irq(&owners_lock);
		user = done ? list_next_entry(done, node) :
			      list_first_entry(&owners, struct kproxy_quota_user, node);
		if (list_entry_is_head(user, &owners, node))
			user = NULL;
		else
			refcount_inc(&user->refs);
		spin_unlock_irq(&owners_lock);
		if (done)
			owner_put(done);
		if (user && user->wq)
			drain_workqueue(user->wq);
		done = user;
	} while (user);
}

/**
 * kproxy_quota_user_put() - drop the reference of a splice
 * @user: from kproxy_quota_user_charge(), uncharged
 *
 * Context: any.
 */
void kproxy_quota_user_put(struct kproxy_quota_user *user)
{
	owner_put(user);
}

/**
 * kproxy_quota_user_wq() - return the queue of the works that end splices
 * @user: from kproxy_quota_user_charge()
 *
 * Context: any.
 * Return: the queue.
 */
struct workqueue_struct *
kproxy_quota_user_wq(const struct kproxy_quota_user *user)
{
	return READ_ONCE(user->wq);
}
