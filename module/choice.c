// SPDX-License-Identifier: GPL-2.0
/*
 * The servers of an upstream as sessions choose among them: balancers, one of
 * the servers of each priority, which are built in process context and published
 * by RCU.
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

/* What the servers of a view are built into. */
struct build {
	struct kproxy_choice *c;
	const struct kproxy_view *view;
	const struct kproxy_upstream_options *options;
	/* the upstream's option, at the beginning of the build */
	bool fail_open;
	/* servers that checks have found down belong to it as well */
	bool open;
	/* a share is growing */
	bool growing;
};

static const struct kproxy_upstream *build_upstream(const struct build *build)
{
	return container_of(build->c, struct kproxy_upstream, choice);
}

static bool belongs(const struct build *build,
		    const struct kproxy_server *server,
		    const struct kproxy_server_options *options)
{
	return options && kproxy_server_usable_as(server, options, build->open);
}

/* Count the servers of each priority; return: how many priorities have some. */
static unsigned int build_count(const struct build *build, unsigned int *counts)
{
	const struct kproxy_server_options *options;
	const struct kproxy_server *server;
	unsigned int nr = 0;

	memset(counts, 0, KPROXY_PRIORITIES * sizeof(*counts));
	list_for_each_entry(server, &build_upstream(build)->servers, node) {
		options = kproxy_server_options(server, build->view);
		if (belongs(build, server, options))
			nr += !counts[kproxy_server_priority(options)]++;
	}
	return nr;
}

/*
 * A server's weight; with slow-start, in parts of KPROXY_SHARE_FULL, as many as its
 * share has grown to.
 */
static unsigned int build_weight(struct build *build,
				 struct kproxy_server *server,
				 const struct kproxy_server_options *options)
{
	unsigned int weight = READ_ONCE(options->weight), share;
	unsigned long back;

	if (!READ_ONCE(build->options->slow_start))
		return weight;
	back = READ_ONCE(server->back);
	share = kproxy_choice_share(back, jiffies,
				    READ_ONCE(build->options->slow_start));
	if (share < KPROXY_SHARE_FULL)
		build->growing = true;
	else if (back)
		/* It must not look recent again when jiffies wrap. */
		cmpxchg(&server->back, back, 0);
	return weight * share;
}

/* The entries of @b, as many as it has room for; return: how many those are. */
static unsigned int build_fill(struct build *build, struct kproxy_balancer *b,
			       unsigned int priority)
{
	const struct kproxy_server_options *options;
	struct kproxy_balance_entry *entry;
	struct kproxy_server *server;
	unsigned int nr = 0;

	/* One that has become usable since has called for the next build. */
	list_for_each_entry(server, &build_upstream(build)->servers, node) {
		options = kproxy_server_options(server, build->view);
		if (nr == b->nr || !belongs(build, server, options) ||
		    kproxy_server_priority(options) != priority)
			continue;
		entry = &b->entries[nr++];
		entry->server = server;
		entry->addr = &server->addr;
		entry->sessions = &server->sessions;
		entry->delay = &server->delay;
		entry->weight = build_weight(build, server, options);
	}
	return nr;
}

/* Build the servers of a priority, @nr of them. */
static struct kproxy_balancer *build_balancer(struct build *build,
					      unsigned int priority,
					      unsigned int nr)
{
	struct kproxy_balancer *b;

	b = kproxy_balance_new(READ_ONCE(build->options->balance),
			       &build->c->turns, nr);
	if (!b)
		return ERR_PTR(-ENOMEM);
	nr = build_fill(build, b, priority);
	b->nr = nr;
	if (nr && !kproxy_balance_build(b))
		return b;
	kproxy_balance_free(b);
	return nr ? ERR_PTR(-ENOMEM) : NULL;
}

static void tiers_free(struct kproxy_tiers *tiers)
{
	unsigned int i;

	for (i = 0; tiers && i < tiers->nr; i++)
		kproxy_balance_free(tiers->tier[i].balancer);
	kfree(tiers);
}

/* Append a tier for each priority that has servers. */
static int build_tiers(struct build *build, struct kproxy_tiers *tiers,
		       const unsigned int *counts)
{
	struct kproxy_balancer *b;
	unsigned int priority;

	for (priority = 0; priority < KPROXY_PRIORITIES; priority++) {
		if (!counts[priority] || tiers->nr == tiers->room)
			continue;
		b = build_balancer(build, priority, counts[priority]);
		if (IS_ERR(b))
			return PTR_ERR(b);
		if (!b)
			continue;
		tiers->tier[tiers->nr++] = (struct kproxy_tier){
			.priority = priority,
			.balancer = b,
		};
		cond_resched();
	}
	return 0;
}

static int build_both(struct build *build, struct kproxy_tiers *tiers,
		      const unsigned int *counts, const unsigned int *open)
{
	int err;

	err = build_tiers(build, tiers, counts);
	tiers->open = tiers->nr;
	if (err || !build->fail_open)
		return err;
	build->open = true;
	return build_tiers(build, tiers, open);
}

static struct kproxy_tiers *build_all(struct build *build, unsigned int room,
				      const unsigned int *counts,
				      const unsigned int *open)
{
	struct kproxy_tiers *tiers;
	int err;

	/* A change is charged to its task, the current choice to the owner. */
	if (!build->view && !kproxy_memcg_room(build_upstream(build)->owner))
		return ERR_PTR(-ENOMEM);
	tiers = kzalloc(struct_size(tiers, tier, room), GFP_KERNEL_ACCOUNT);
	if (!tiers)
		return ERR_PTR(-ENOMEM);
	tiers->room = room;
	err = build_both(build, tiers, counts, open);
	if (!err)
		return tiers;
	tiers_free(tiers);
	return ERR_PTR(err);
}

/*
 * Build tiers from the servers of a view: those that take sessions and, for
 * fail-open, those that would if checks had not found them down.
 */
static struct kproxy_tiers *choice_new(struct build *build)
{
	unsigned int *counts, *open, room;
	struct kproxy_tiers *tiers;

	counts = kmalloc_array(2 * KPROXY_PRIORITIES, sizeof(*counts),
			       GFP_KERNEL);
	if (!counts)
		return ERR_PTR(-ENOMEM);
	open = counts + KPROXY_PRIORITIES;
	room = build_count(build, counts);
	build->fail_open = READ_ONCE(build->options->fail_open);
	if (build->fail_open) {
		build->open = true;
		room += build_count(build, open);
		build->open = false;
	}
	if (room)
		tiers = build_all(build, room, counts, open);
	else
		tiers = NULL;
	kfree(counts);
	return tiers;
}

/* After a grace period. In process context: there may be thousands of servers. */
static void choice_free_work(struct work_struct *work)
{
	struct kproxy_tiers *tiers = container_of(to_rcu_work(work),
						  struct kproxy_tiers, free);
	const struct kproxy_balancer *b;
	unsigned int i, n;

	for (n = 0; n < tiers->nr; n++) {
		b = tiers->tier[n].balancer;
		for (i = 0; i < b->nr; i++) {
			kproxy_server_put(b->entries[i].server);
			cond_resched();
		}
	}
	tiers_free(tiers);
}

static void choice_publish(struct kproxy_choice *c, struct kproxy_tiers *tiers)
{
	const struct kproxy_balancer *b;
	struct kproxy_tiers *old;
	unsigned int i, n;

	lockdep_assert_held(&c->lock);
	for (n = 0; tiers && n < tiers->nr; n++) {
		b = tiers->tier[n].balancer;
		for (i = 0; i < b->nr; i++)
			kproxy_server_hold(b->entries[i].server);
	}
	old = rcu_replace_pointer(c->tiers, tiers, lockdep_is_held(&c->lock));
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

/* The next step of a share that grows. */
static unsigned long share_step(const struct kproxy_upstream_options *options)
{
	return max(msecs_to_jiffies(READ_ONCE(options->slow_start)) /
		   KPROXY_SHARE_FULL, (unsigned long)BUILD_DELAY);
}

/* Build what is now; when memory is short, what was published stays. */
static void choice_build(struct kproxy_choice *c)
{
	const struct kproxy_upstream *up = choice_upstream(c);
	struct build build = { .c = c, .options = &up->options };
	struct kproxy_tiers *tiers;
	struct mem_cgroup *memcg;

	lockdep_assert_held(&c->lock);
	memcg = kproxy_memcg_enter(up->owner);
	tiers = choice_new(&build);
	kproxy_fault_point(KPROXY_POINT_CHOICE_PUBLISH);
	if (IS_ERR(tiers))
		queue_delayed_work(kproxy_wq, &c->work, BUILD_RETRY);
	else
		choice_publish(c, tiers);
	if (build.growing)
		queue_delayed_work(kproxy_wq, &c->work,
				   share_step(&up->options));
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
	kproxy_turns_init(&c->turns);
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
	/* This needs no memory. */
	choice_publish(c, NULL);
	choice_is_fresh(c);
	mutex_unlock(&c->lock);
	kproxy_queue_wake(&c->queue);
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
 * @options: the options of the upstream then
 * @view: what the servers will be
 *
 * Context: process, may sleep.
 * Return: what sessions will choose from, NULL if there is nothing; -ENOMEM.
 */
struct kproxy_tiers *
kproxy_choice_prepare(struct kproxy_choice *c,
		      const struct kproxy_upstream_options *options,
		      const struct kproxy_view *view)
{
	struct build build = { .c = c, .view = view, .options = options };

	return choice_new(&build);
}

/**
 * kproxy_choice_replace() - let sessions choose from what was prepared
 * @c: the choice, its lock held; its servers are those of @tiers from now on
 * @tiers: of kproxy_choice_prepare(), which is not the caller's any more
 *
 * Context: process. It needs no memory.
 */
void kproxy_choice_replace(struct kproxy_choice *c, struct kproxy_tiers *tiers)
{
	choice_publish(c, tiers);
	choice_is_fresh(c);
	/* The health of some may have changed since they were prepared. */
	kproxy_choice_build_soon(c);
}

/**
 * kproxy_choice_forget() - give back what was prepared
 * @tiers: of kproxy_choice_prepare(), or NULL
 */
void kproxy_choice_forget(struct kproxy_tiers *tiers)
{
	tiers_free(tiers);
}

/**
 * kproxy_choice_share() - the share of its weight that a server gets
 * @back: when it came back, in jiffies; 0 if it was never away
 * @now: the time
 * @ms: over how many milliseconds its share grows
 *
 * Context: any.
 * Return: the share, 1 to KPROXY_SHARE_FULL.
 */
unsigned int kproxy_choice_share(unsigned long back, unsigned long now,
				 unsigned int ms)
{
	unsigned long whole = msecs_to_jiffies(ms), age = now - back;

	if (!back || age >= whole)
		return KPROXY_SHARE_FULL;
	return 1 + div_u64((u64)age * (KPROXY_SHARE_FULL - 1), whole);
}

/**
 * kproxy_choice_came_back() - a server takes sessions that did not before
 * @server: the server
 *
 * Context: any.
 */
void kproxy_choice_came_back(struct kproxy_server *server)
{
	/* Not 0, and not in the future. */
	WRITE_ONCE(server->back, (jiffies - 1) | 1);
}

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
	const struct kproxy_tiers *tiers = rcu_dereference(c->tiers);
	struct kproxy_server *server;

	if (!tiers)
		return ERR_PTR(-ENOENT);
	if (READ_ONCE(choice_upstream(c)->options.failback))
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
			choice_refresh(c);
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
