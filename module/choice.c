// SPDX-License-Identifier: GPL-2.0
/*
 * The servers of an upstream as sessions choose among them: balancers, one of
 * the servers that take sessions and one of their backups, which are built in
 * process context and published by RCU.
 *
 * A change of the configuration is seen by every client who comes after it:
 * the first one builds, unless the work was sooner. A server that takes no
 * more sessions is passed over from that moment on, whatever is published.
 *
 * A server with a limit counts a session before it is chosen, so that it never
 * has more. Who finds no room waits in the upstream's queue.
 */
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "balance.h"
#include "choice.h"
#include "fault.h"
#include "memcg.h"
#include "server.h"
#include "shared.h"
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

static bool belongs(const struct kproxy_server *server, enum kproxy_tier tier,
		    const struct kproxy_server_options *options)
{
	return options && options->backup == (tier == KPROXY_TIER_BACKUP) &&
	       kproxy_server_usable_as(server, options);
}

static unsigned int choice_count(const struct kproxy_upstream *up,
				 enum kproxy_tier tier,
				 const struct kproxy_view *view)
{
	const struct kproxy_server *server;
	unsigned int nr = 0;

	list_for_each_entry(server, &up->servers, node)
		nr += belongs(server, tier,
			      kproxy_server_options(server, view));
	return nr;
}

/* The entries of @b, as many as it has room for; return: how many those are. */
static unsigned int choice_fill(struct kproxy_balancer *b,
				const struct kproxy_upstream *up,
				enum kproxy_tier tier,
				const struct kproxy_view *view)
{
	const struct kproxy_server_options *options;
	struct kproxy_balance_entry *entry;
	struct kproxy_server *server;
	unsigned int nr = 0;

	/* One that has become usable since has called for the next build. */
	list_for_each_entry(server, &up->servers, node) {
		options = kproxy_server_options(server, view);
		if (nr == b->nr || !belongs(server, tier, options))
			continue;
		entry = &b->entries[nr++];
		entry->server = server;
		entry->addr = &server->addr;
		entry->sessions = &server->sessions;
		entry->weight = READ_ONCE(options->weight);
	}
	return nr;
}

/* Build a tier from the servers of a view. */
static struct kproxy_balancer *choice_new(struct kproxy_choice *c,
					  enum kproxy_tier tier,
					  enum kproxy_balance balance,
					  const struct kproxy_view *view)
{
	struct kproxy_upstream *up = choice_upstream(c);
	unsigned int nr = choice_count(up, tier, view);
	struct kproxy_balancer *b;

	if (!nr)
		return NULL;
	/* A change is charged to its task, the current choice to the owner. */
	if (!view && !kproxy_memcg_room(up->owner))
		return ERR_PTR(-ENOMEM);
	b = kproxy_balance_new(balance, &c->turns, nr);
	if (!b)
		return ERR_PTR(-ENOMEM);
	nr = choice_fill(b, up, tier, view);
	b->nr = nr;
	if (nr && !kproxy_balance_build(b))
		return b;
	kproxy_balance_free(b);
	return nr ? ERR_PTR(-ENOMEM) : NULL;
}

/* After a grace period. In process context: there may be thousands of servers. */
static void choice_free_work(struct work_struct *work)
{
	struct kproxy_balancer *b = container_of(to_rcu_work(work),
						 struct kproxy_balancer, free);
	unsigned int i;

	for (i = 0; i < b->nr; i++) {
		kproxy_server_put(b->entries[i].server);
		cond_resched();
	}
	kproxy_balance_free(b);
}

static void choice_publish(struct kproxy_choice *c, enum kproxy_tier tier,
			   struct kproxy_balancer *b)
{
	struct kproxy_balancer *old;
	unsigned int i;

	lockdep_assert_held(&c->lock);
	if (b)
		for (i = 0; i < b->nr; i++)
			kproxy_server_hold(b->entries[i].server);
	old = rcu_replace_pointer(c->tiers[tier], b, lockdep_is_held(&c->lock));
	if (!old)
		return;
	INIT_RCU_WORK(&old->free, choice_free_work);
	queue_rcu_work(kproxy_wq, &old->free);
}

/* Who sees that it is not stale sees what was published, too. */
static void choice_is_fresh(struct kproxy_choice *c)
{
	lockdep_assert_held(&c->lock);
	/* pairs with smp_load_acquire() in kproxy_choice_pick() */
	smp_store_release(&c->stale, false);
}

/* Build what is now; when memory is short, what was published stays. */
static void choice_build(struct kproxy_choice *c)
{
	const struct kproxy_upstream *up = choice_upstream(c);
	struct kproxy_balancer *b;
	struct mem_cgroup *memcg;
	enum kproxy_tier tier;

	lockdep_assert_held(&c->lock);
	memcg = kproxy_memcg_enter(up->owner);
	for (tier = 0; tier < KPROXY_TIERS; tier++) {
		b = choice_new(c, tier, READ_ONCE(up->options.balance), NULL);
		kproxy_fault_point(KPROXY_POINT_CHOICE_PUBLISH);
		if (IS_ERR(b))
			queue_delayed_work(kproxy_wq, &c->work, BUILD_RETRY);
		else
			choice_publish(c, tier, b);
	}
	kproxy_memcg_leave(memcg);
	choice_is_fresh(c);
	/* There may be room, or no hope of any. */
	kproxy_queue_wake(&c->queue);
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
	kproxy_queue_init(&c->queue);
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
	kproxy_choice_build_soon(c);
}

/**
 * kproxy_choice_build_soon() - the health of servers has changed
 * @c: the choice
 *
 * No client waits for this: who has fallen ill is passed over at once, and who
 * has recovered can wait. However often it changes, one build every now and
 * then is all that it costs.
 *
 * Context: any.
 */
void kproxy_choice_build_soon(struct kproxy_choice *c)
{
	queue_delayed_work(kproxy_wq, &c->work, BUILD_DELAY);
}

/**
 * kproxy_choice_prepare() - build what sessions will choose from after a change
 * @c: the choice; the lock of the namespace's configuration is held until this
 *	is used by kproxy_choice_replace() or given back to
 *	kproxy_choice_forget()
 * @balance: how they will choose
 * @view: what the servers will be
 * @tiers: where it goes, a balancer or NULL for each tier
 *
 * Context: process, may sleep.
 * Return: 0, or -ENOMEM with nothing to give back.
 */
int kproxy_choice_prepare(struct kproxy_choice *c, enum kproxy_balance balance,
			  const struct kproxy_view *view,
			  struct kproxy_balancer **tiers)
{
	struct kproxy_balancer *b;
	enum kproxy_tier tier;

	for (tier = 0; tier < KPROXY_TIERS; tier++) {
		b = choice_new(c, tier, balance, view);
		if (IS_ERR(b)) {
			kproxy_choice_forget(tiers);
			return PTR_ERR(b);
		}
		tiers[tier] = b;
	}
	return 0;
}

/**
 * kproxy_choice_replace() - let sessions choose from what was prepared
 * @c: the choice, its lock held; its servers are those of @tiers from now on
 * @tiers: of kproxy_choice_prepare(); nothing is left there
 *
 * Context: process. It needs no memory.
 */
void kproxy_choice_replace(struct kproxy_choice *c,
			   struct kproxy_balancer **tiers)
{
	enum kproxy_tier tier;

	for (tier = 0; tier < KPROXY_TIERS; tier++) {
		choice_publish(c, tier, tiers[tier]);
		tiers[tier] = NULL;
	}
	choice_is_fresh(c);
	/* The health of some may have changed since they were prepared. */
	kproxy_choice_build_soon(c);
}

/**
 * kproxy_choice_forget() - give back what was prepared
 * @tiers: of kproxy_choice_prepare(), or without anything in it
 */
void kproxy_choice_forget(struct kproxy_balancer **tiers)
{
	enum kproxy_tier tier;

	for (tier = 0; tier < KPROXY_TIERS; tier++) {
		if (tiers[tier])
			kproxy_balance_free(tiers[tier]);
		tiers[tier] = NULL;
	}
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
				       enum pick_pass pass)
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
		if (unlikely(!fits(server, pick, pass)))
			continue;
		kproxy_fault_point(KPROXY_POINT_CHOICE_TAKE);
		if (likely(take(server)))
			return server;
		err = -EBUSY;
	}
	return ERR_PTR(err);
}

static struct kproxy_server *pick_pass(struct kproxy_choice *c,
				       const struct kproxy_pick *pick,
				       enum pick_pass pass)
{
	struct kproxy_server *server = ERR_PTR(-ENOENT);
	const struct kproxy_balancer *b;
	enum kproxy_tier tier;

	for (tier = 0; tier < KPROXY_TIERS; tier++) {
		b = rcu_dereference(c->tiers[tier]);
		if (b)
			server = pick_from(b, pick, pass);
		if (server != ERR_PTR(-ENOENT))
			break;
	}
	return server;
}

/**
 * kproxy_choice_pick() - choose the server of a session
 * @c: the choice, its upstream held
 * @pick: what is known of the session
 *
 * A backup is chosen when no other server takes sessions or, for a session
 * that has failed to connect, when all others may have failed it. A server
 * that has failed it is chosen again when there is none that has not.
 *
 * Context: process, may sleep.
 * Return: the server, held and with the session counted, for
 * kproxy_choice_release(); -EBUSY when there is no room at those that could be
 * chosen; -ENOENT when none takes sessions.
 */
struct kproxy_server *kproxy_choice_pick(struct kproxy_choice *c,
					 const struct kproxy_pick *pick)
{
	enum pick_pass pass, last = pick->last ? PICK_ANY : PICK_NEW;
	struct kproxy_server *server;

	/*
	 * All servers of a balancer may be deleted between its build and the
	 * choice. Others may have been added then, so build again.
	 */
	do {
		/* pairs with smp_store_release() in choice_is_fresh() */
		if (unlikely(smp_load_acquire(&c->stale)))
			choice_refresh(c);
		rcu_read_lock();
		for (pass = PICK_NEW; pass <= last; pass++) {
			server = pick_pass(c, pick, pass);
			if (server != ERR_PTR(-ENOENT))
				break;
		}
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
