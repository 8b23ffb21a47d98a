// SPDX-License-Identifier: GPL-2.0
/*
 * The servers of an upstream by priority: a tier for each priority that has servers
 * which take sessions, with a balancer of these; and, for fail-open, the same again
 * with those that checks have found down.
 *
 * Tiers are built and freed in process context and constant in between. Who decides
 * when they are built, and publishes them, is choice.c.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "balance.h"
#include "memcg.h"
#include "server.h"
#include "shared.h"
#include "slow-start.h"
#include "tiers.h"
#include "upstream.h"

/* Priorities that a server may have. */
#define PRIORITIES (KPROXY_PRIORITY_MAX + 1)

/* What the servers of a view are built into. */
struct build {
	struct kproxy_upstream *up;
	const struct kproxy_view *view;
	const struct kproxy_upstream_options *options;
	/* the upstream's option, at the beginning of the build */
	bool fail_open;
	/* servers that checks have found down belong to it as well */
	bool open;
	/* a share is growing */
	bool growing;
};

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

	memset(counts, 0, PRIORITIES * sizeof(*counts));
	list_for_each_entry(server, &build->up->servers, node) {
		options = kproxy_server_options(server, build->view);
		if (belongs(build, server, options))
			nr += !counts[kproxy_server_priority(options)]++;
	}
	return nr;
}

/* A server's weight; with slow-start, in parts of KPROXY_SHARE_FULL. */
static unsigned int build_weight(struct build *build,
				 struct kproxy_server *server,
				 const struct kproxy_server_options *options)
{
	unsigned int ms = READ_ONCE(build->options->slow_start);
	unsigned int weight = READ_ONCE(options->weight);

	if (!ms)
		return weight;
	return kproxy_slow_start_weight(server, weight, ms, &build->growing);
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
	list_for_each_entry(server, &build->up->servers, node) {
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
			       &build->up->choice.turns, nr);
	if (!b)
		return ERR_PTR(-ENOMEM);
	nr = build_fill(build, b, priority);
	b->nr = nr;
	if (nr && !kproxy_balance_build(b))
		return b;
	kproxy_balance_free(b);
	return nr ? ERR_PTR(-ENOMEM) : NULL;
}

/**
 * kproxy_tiers_free() - free tiers that have never held their servers
 * @tiers: the tiers, or NULL
 *
 * Context: process.
 */
void kproxy_tiers_free(struct kproxy_tiers *tiers)
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

	for (priority = 0; priority < PRIORITIES; priority++) {
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
	if (!build->view && !kproxy_memcg_room(build->up->owner))
		return ERR_PTR(-ENOMEM);
	tiers = kzalloc(struct_size(tiers, tier, room), GFP_KERNEL_ACCOUNT);
	if (!tiers)
		return ERR_PTR(-ENOMEM);
	tiers->room = room;
	err = build_both(build, tiers, counts, open);
	if (!err)
		return tiers;
	kproxy_tiers_free(tiers);
	return ERR_PTR(err);
}

static struct kproxy_tiers *tiers_new(struct build *build)
{
	unsigned int *counts, *open, room;
	struct kproxy_tiers *tiers;

	counts = kmalloc_array(2 * PRIORITIES, sizeof(*counts),
			       GFP_KERNEL);
	if (!counts)
		return ERR_PTR(-ENOMEM);
	open = counts + PRIORITIES;
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

/**
 * kproxy_tiers_new() - build tiers from the servers of a view
 * @up: the upstream; under its choice's lock, or that of the configuration
 * @options: the options that it has in this view
 * @view: the view, or NULL for what is current
 * @growing: set if the share of a server has yet to grow
 *
 * A server belongs to them if it takes sessions or, for fail-open, if it would when
 * checks had not found it down. They do not hold their servers.
 *
 * Context: process, may sleep.
 * Return: the tiers, NULL if no server belongs to them; -ENOMEM.
 */
struct kproxy_tiers *
kproxy_tiers_new(struct kproxy_upstream *up,
		 const struct kproxy_upstream_options *options,
		 const struct kproxy_view *view, bool *growing)
{
	struct build build = { .up = up, .view = view, .options = options };
	struct kproxy_tiers *tiers = tiers_new(&build);

	*growing = build.growing;
	return tiers;
}

/**
 * kproxy_tiers_hold() - hold the servers of tiers that are going to be published
 * @tiers: the tiers, or NULL
 *
 * Context: process, under the choice's lock.
 */
void kproxy_tiers_hold(const struct kproxy_tiers *tiers)
{
	const struct kproxy_balancer *b;
	unsigned int i, n;

	for (n = 0; tiers && n < tiers->nr; n++) {
		b = tiers->tier[n].balancer;
		for (i = 0; i < b->nr; i++)
			kproxy_server_hold(b->entries[i].server);
	}
}

/* In process context: there may be thousands of servers. */
static void tiers_free_work(struct work_struct *work)
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
	kproxy_tiers_free(tiers);
}

/**
 * kproxy_tiers_retire() - free tiers and put their servers after a grace period
 * @tiers: what was published until now, or NULL
 *
 * Context: any.
 */
void kproxy_tiers_retire(struct kproxy_tiers *tiers)
{
	if (!tiers)
		return;
	INIT_RCU_WORK(&tiers->free, tiers_free_work);
	queue_rcu_work(kproxy_wq, &tiers->free);
}
