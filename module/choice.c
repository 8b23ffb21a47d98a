// SPDX-License-Identifier: GPL-2.0
/*
 * The servers of an upstream as sessions choose among them: a balancer that is
 * built of those that take sessions, and published by RCU.
 *
 * A change of the configuration is seen by every client who comes after it:
 * the first one builds, unless the work was sooner. A server that takes no
 * more sessions is passed over from that moment on, whatever is published.
 */
#include <linux/jiffies.h>

#include "balance.h"
#include "choice.h"
#include "main.h"
#include "upstream.h"

/* Changes that come within this time are built together. */
#define BUILD_DELAY (HZ / 20 ?: 1)

/* How soon a build is tried again for which memory was short. */
#define BUILD_RETRY HZ

/*
 * Answers of a method that are tried in turn when they are of no use; after
 * that comes what stands next.
 */
#define PICK_TRIES 4

static struct kproxy_upstream *choice_upstream(struct kproxy_choice *c)
{
	return container_of(c, struct kproxy_upstream, choice);
}

static struct kproxy_balancer *choice_new(struct kproxy_choice *c)
{
	struct kproxy_upstream *up = choice_upstream(c);
	struct kproxy_balance_entry *entry;
	struct kproxy_server *server;
	struct kproxy_balancer *b;
	unsigned int nr = 0;

	list_for_each_entry(server, &up->servers, node)
		nr += kproxy_server_usable(server);
	if (!nr)
		return NULL;
	b = kproxy_balance_new(READ_ONCE(up->options.balance), &c->turns, nr);
	if (!b)
		return ERR_PTR(-ENOMEM);
	/* One that has become usable since has called for the next build. */
	nr = 0;
	list_for_each_entry(server, &up->servers, node) {
		if (nr == b->nr || !kproxy_server_usable(server))
			continue;
		entry = &b->entries[nr++];
		entry->server = server;
		entry->addr = &server->addr;
		entry->sessions = &server->sessions;
		entry->weight = READ_ONCE(server->options.weight);
	}
	b->nr = nr;
	if (nr && !kproxy_balance_build(b))
		return b;
	kproxy_balance_free(b);
	return nr ? ERR_PTR(-ENOMEM) : NULL;
}

static void choice_free_rcu(struct rcu_head *rcu)
{
	struct kproxy_balancer *b =
		container_of(rcu, struct kproxy_balancer, rcu);
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		kproxy_server_put(b->entries[i].server);
	kproxy_balance_free(b);
}

static void choice_publish(struct kproxy_choice *c, struct kproxy_balancer *b)
{
	struct kproxy_balancer *old;
	unsigned int i;

	lockdep_assert_held(&c->lock);
	if (b)
		for (i = 0; i < b->nr; i++)
			kproxy_server_hold(b->entries[i].server);
	old = rcu_replace_pointer(c->balancer, b, lockdep_is_held(&c->lock));
	if (old)
		call_rcu(&old->rcu, choice_free_rcu);
}

/* Build what is now; when memory is short, what was published stays. */
static void choice_build(struct kproxy_choice *c)
{
	struct kproxy_balancer *b;

	lockdep_assert_held(&c->lock);
	WRITE_ONCE(c->stale, false);
	b = choice_new(c);
	if (IS_ERR(b))
		queue_delayed_work(kproxy_wq, &c->work, BUILD_RETRY);
	else
		choice_publish(c, b);
}

static void choice_work(struct work_struct *work)
{
	struct kproxy_choice *c = container_of(to_delayed_work(work),
					       struct kproxy_choice, work);

	mutex_lock(&c->lock);
	choice_build(c);
	mutex_unlock(&c->lock);
}

/**
 * kproxy_choice_init() - make a choice of nothing
 * @c: the choice of a new upstream
 */
void kproxy_choice_init(struct kproxy_choice *c)
{
	mutex_init(&c->lock);
	INIT_DELAYED_WORK(&c->work, choice_work);
}

/**
 * kproxy_choice_destroy() - let go of what is published
 * @c: the choice of an upstream that has no servers any more
 *
 * A session that still asks is told that there is none.
 *
 * Context: process, may sleep.
 */
void kproxy_choice_destroy(struct kproxy_choice *c)
{
	disable_delayed_work_sync(&c->work);
	mutex_lock(&c->lock);
	choice_build(c);
	mutex_unlock(&c->lock);
}

/**
 * kproxy_choice_changed() - servers or their options have changed
 * @c: the choice, its lock held
 *
 * Context: process.
 */
void kproxy_choice_changed(struct kproxy_choice *c)
{
	lockdep_assert_held(&c->lock);
	WRITE_ONCE(c->stale, true);
	queue_delayed_work(kproxy_wq, &c->work, BUILD_DELAY);
}

static void choice_refresh(struct kproxy_choice *c)
{
	mutex_lock(&c->lock);
	if (c->stale)
		choice_build(c);
	mutex_unlock(&c->lock);
}

/**
 * kproxy_choice_bit() - a server in a set of servers
 * @server: the server
 *
 * Context: any.
 * Return: its bit; another server may have the same, so that a set may hold
 * more than was put into it.
 */
u64 kproxy_choice_bit(const struct kproxy_server *server)
{
	return BIT_ULL(server->id % 64);
}

/* How far a search goes for a server that has not failed this session. */
enum pick_pass {
	/* none that may have failed it */
	PICK_NEW,
	/* any but the one that has failed it last */
	PICK_OTHER,
	/* that one, too */
	PICK_ANY,
};

static bool fits(const struct kproxy_server *server,
		 const struct kproxy_pick *pick, enum pick_pass pass)
{
	if (!kproxy_server_usable(server))
		return false;
	switch (pass) {
	case PICK_NEW:
		return !(pick->tried & kproxy_choice_bit(server));
	case PICK_OTHER:
		return server != pick->last;
	default:
		return true;
	}
}

static struct kproxy_server *pick_from(const struct kproxy_balancer *b,
				       const struct kproxy_pick *pick,
				       enum pick_pass pass)
{
	struct kproxy_server *server;
	unsigned int i, tries;
	u32 hash = pick->hash;

	for (tries = 0; tries < PICK_TRIES; tries++) {
		i = kproxy_balance_pick(b, hash);
		server = b->entries[i].server;
		if (likely(fits(server, pick, pass)))
			return server;
		hash = kproxy_balance_rehash(hash);
	}
	for (tries = 1; tries < b->nr; tries++) {
		server = b->entries[(i + tries) % b->nr].server;
		if (fits(server, pick, pass))
			return server;
	}
	return NULL;
}

/**
 * kproxy_choice_pick() - choose the server of a session
 * @c: the choice, its upstream held
 * @pick: what is known of the session
 *
 * Context: process, may sleep.
 * Return: the server, held and with the session counted, for
 * kproxy_choice_release(); NULL when none takes sessions.
 */
struct kproxy_server *kproxy_choice_pick(struct kproxy_choice *c,
					 const struct kproxy_pick *pick)
{
	enum pick_pass pass, last = pick->last ? PICK_ANY : PICK_NEW;
	struct kproxy_server *server = NULL;
	const struct kproxy_balancer *b;

	if (unlikely(READ_ONCE(c->stale)))
		choice_refresh(c);
	rcu_read_lock();
	b = rcu_dereference(c->balancer);
	for (pass = PICK_NEW; b && !server && pass <= last; pass++)
		server = pick_from(b, pick, pass);
	if (server) {
		kproxy_server_hold(server);
		atomic_inc(&server->sessions);
	}
	rcu_read_unlock();
	return server;
}

/**
 * kproxy_choice_release() - a session has no more to do with a server
 * @server: the server, from kproxy_choice_pick(); still held
 *
 * Context: process.
 */
void kproxy_choice_release(struct kproxy_server *server)
{
	atomic_dec(&server->sessions);
}
