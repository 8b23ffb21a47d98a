// SPDX-License-Identifier: GPL-2.0
/*
 * The choice of a server for a session, in process context and without a lock: from
 * the tiers that are published, the first that has a server which has not failed
 * this session.
 *
 * A server with a limit counts a session before it is chosen, so that it never
 * has more. Who finds no room waits in the upstream's queue.
 */
#include <linux/atomic.h>
#include <linux/rcupdate.h>

#include "balance.h"
#include "choice.h"
#include "choice-pick.h"
#include "fault.h"
#include "server.h"
#include "tiers.h"
#include "upstream.h"

/*
 * Answers of a method that are tried in turn when they are of no use; after
 * that comes what stands next.
 */
#define PICK_TRIES 4

/**
 * kproxy_choice_restore() - let servers of a priority have sessions again
 * @c: the choice
 * @priority: their priority
 *
 * Without failback, those of a greater number may have taken over from them.
 *
 * Context: any.
 */
void kproxy_choice_restore(struct kproxy_choice *c, unsigned int priority)
{
	if (READ_ONCE(c->floor) > priority)
		WRITE_ONCE(c->floor, priority);
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
	/* none that has failed the last session */
	PICK_GOOD,
	/* none that may have failed this one */
	PICK_NEW,
	/* any but the one that has failed it last */
	PICK_OTHER,
	/* that one, too */
	PICK_ANY,
};

static bool fits(struct kproxy_server *server, const struct kproxy_pick *pick,
		 enum pick_pass pass, bool open)
{
	if (!kproxy_server_usable_as(server, &server->options, open))
		return false;
	switch (pass) {
	case PICK_GOOD:
		return !(pick->tried & kproxy_choice_bit(server)) &&
		       kproxy_health_trusts(server);
	case PICK_NEW:
		return !(pick->tried & kproxy_choice_bit(server));
	case PICK_OTHER:
		return server != pick->last;
	default:
		return true;
	}
}

/* Count a session, if there is room for it. */
static bool take(struct kproxy_server *server)
{
	int max = READ_ONCE(server->options.maxconn), sessions;

	if (!max) {
		atomic_inc(&server->sessions);
		return true;
	}
	sessions = atomic_read(&server->sessions);
	do {
		if (sessions >= max)
			return false;
	} while (!atomic_try_cmpxchg(&server->sessions, &sessions,
				     sessions + 1));
	return true;
}

/* A server that was taken; -EBUSY if all that fit are full, -ENOENT if none. */
static struct kproxy_server *pick_from(const struct kproxy_balancer *b,
				       const struct kproxy_pick *pick,
				       enum pick_pass pass, bool open)
{
	struct kproxy_server *server;
	unsigned int i = 0, tries;
	int err = -ENOENT;
	u32 hash = 0;

	if (b->ops->hashes)
		hash = kproxy_balance_hash(pick->client);
	for (tries = 0; tries < PICK_TRIES + b->nr; tries++) {
		if (tries < PICK_TRIES) {
			if (unlikely(tries))
				hash = kproxy_balance_rehash(hash);
			i = kproxy_balance_pick(b, hash);
		} else if (++i == b->nr) {
			i = 0;
		}
		server = b->entries[i].server;
		if (unlikely(!fits(server, pick, pass, open)))
			continue;
		kproxy_fault_point(KPROXY_POINT_CHOICE_TAKE);
		if (likely(take(server)))
			return server;
		err = -EBUSY;
	}
	return ERR_PTR(err);
}

/* From the first tiers before @end that have a server for this session. */
static struct kproxy_server *pick_pass(const struct kproxy_tiers *tiers,
				       unsigned int first, unsigned int end,
				       const struct kproxy_pick *pick,
				       enum pick_pass pass)
{
	struct kproxy_server *server = ERR_PTR(-ENOENT);
	unsigned int i;

	for (i = first; i < end; i++) {
		server = pick_from(tiers->tier[i].balancer, pick, pass,
				   first >= tiers->open);
		if (server != ERR_PTR(-ENOENT))
			break;
	}
	return server;
}

static struct kproxy_server *pick_between(const struct kproxy_tiers *tiers,
					  unsigned int first, unsigned int end,
					  const struct kproxy_pick *pick)
{
	enum pick_pass pass, last = pick->last ? PICK_ANY : PICK_NEW;
	struct kproxy_server *server = ERR_PTR(-ENOENT);

	for (pass = PICK_GOOD; pass <= last; pass++) {
		server = pick_pass(tiers, first, end, pick, pass);
		if (server != ERR_PTR(-ENOENT))
			break;
	}
	return server;
}

static bool tier_usable(const struct kproxy_tier *tier)
{
	const struct kproxy_balancer *b = tier->balancer;
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		if (kproxy_server_usable(b->entries[i].server))
			return true;
	return false;
}

/* The tier in use, or the one that takes over from it; or tiers->open. */
static unsigned int tier_in_use(const struct kproxy_tiers *tiers,
				unsigned int floor)
{
	unsigned int i, low;

	for (low = 0; low < tiers->open; low++)
		if (tiers->tier[low].priority >= floor)
			break;
	for (i = low; i < tiers->open; i++)
		if (tier_usable(&tiers->tier[i]))
			return i;
	for (i = 0; i < low; i++)
		if (tier_usable(&tiers->tier[i]))
			return i;
	return tiers->open;
}

/*
 * Without failback, all sessions go to servers of one priority, until none of
 * these takes sessions. A server that was taken is given back if another priority
 * has taken over meanwhile, so that its sessions are all older than that.
 */
static struct kproxy_server *pick_in_use(struct kproxy_choice *c,
					 const struct kproxy_tiers *tiers,
					 const struct kproxy_pick *pick)
{
	struct kproxy_server *server;
	unsigned int floor, i, own;

	for (;;) {
		floor = READ_ONCE(c->floor);
		i = tier_in_use(tiers, floor);
		if (i == tiers->open)
			return ERR_PTR(-ENOENT);
		own = tiers->tier[i].priority;
		if (own != floor && cmpxchg(&c->floor, floor, own) != floor)
			continue;
		server = pick_between(tiers, i, i + 1, pick);
		if (IS_ERR(server))
			return server;
		/* pairs with cmpxchg() by the session that sees it fail */
		smp_mb__after_atomic();
		if (READ_ONCE(c->floor) == own)
			return server;
		atomic_dec(&server->sessions);
	}
}

static struct kproxy_server *pick_any(struct kproxy_choice *c,
				      const struct kproxy_pick *pick)
{
	const struct kproxy_upstream *up =
		container_of(c, struct kproxy_upstream, choice);
	const struct kproxy_tiers *tiers = rcu_dereference(c->tiers);
	struct kproxy_server *server;

	if (!tiers)
		return ERR_PTR(-ENOENT);
	if (READ_ONCE(up->options.failback))
		server = pick_between(tiers, 0, tiers->open, pick);
	else
		server = pick_in_use(c, tiers, pick);
	if (server != ERR_PTR(-ENOENT) || tiers->open == tiers->nr)
		return server;
	/* Checks have found all of them down. */
	return pick_between(tiers, tiers->open, tiers->nr, pick);
}

/**
 * kproxy_choice_pick() - choose the server of a session
 * @c: the choice, its upstream held
 * @pick: what is known of the session
 *
 * A server of another priority is chosen when none of a lower number takes
 * sessions or, for a session that has failed to connect, when all of those may
 * have failed it. A server that has failed it is chosen again when there is none
 * that has not.
 *
 * Context: process, may sleep.
 * Return: the server, held and with the session counted, for
 * kproxy_choice_release(); -EBUSY when there is no room at those that could be
 * chosen; -ENOENT when none takes sessions.
 */
struct kproxy_server *kproxy_choice_pick(struct kproxy_choice *c,
					 const struct kproxy_pick *pick)
{
	struct kproxy_server *server;

	/*
	 * All servers of a balancer may be deleted between its build and the
	 * choice. Others may have been added then, so build again.
	 */
	do {
		/* pairs with smp_store_release() in choice_is_fresh() */
		if (unlikely(smp_load_acquire(&c->stale)))
			kproxy_choice_refresh(c);
		rcu_read_lock();
		server = pick_any(c, pick);
		if (!IS_ERR(server))
			kproxy_server_hold(server);
		rcu_read_unlock();
	} while (server == ERR_PTR(-ENOENT) && READ_ONCE(c->stale));
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
	kproxy_fault_point(KPROXY_POINT_CHOICE_RELEASE);
	/* Where there is a limit, there is room for one more. */
	if (READ_ONCE(server->options.maxconn))
		kproxy_preconnect_refill(server);
	kproxy_queue_wake(&server->upstream->choice.queue);
}
