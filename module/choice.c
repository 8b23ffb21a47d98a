// SPDX-License-Identifier: GPL-2.0
/*
 * When the tiers of an upstream are built and published. They are built in process
 * context, under the choice's lock, and published by RCU; sessions choose from them
 * in choice-pick.c.
 *
 * A change of the configuration is seen by every client who comes after it:
 * the first one builds, unless the work was sooner. A server that takes no
 * more sessions is passed over from that moment on, whatever is published.
 */
#include <linux/jiffies.h>
#include <linux/workqueue.h>

#include "choice.h"
#include "fault.h"
#include "memcg.h"
#include "shared.h"
#include "slow-start.h"
#include "tiers.h"
#include "upstream.h"

/* Changes that come within this time are built together. */
#define BUILD_DELAY (HZ / 20 ?: 1)

/* How soon a build is tried again for which memory was short. */
#define BUILD_RETRY HZ

static struct kproxy_upstream *choice_upstream(struct kproxy_choice *c)
{
	return container_of(c, struct kproxy_upstream, choice);
}

static void choice_publish(struct kproxy_choice *c, struct kproxy_tiers *tiers)
{
	lockdep_assert_held(&c->lock);
	kproxy_tiers_hold(tiers);
	kproxy_tiers_retire(rcu_replace_pointer(c->tiers, tiers,
						lockdep_is_held(&c->lock)));
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
	unsigned long step =
		kproxy_slow_start_step(READ_ONCE(options->slow_start));

	return max_t(unsigned long, step, BUILD_DELAY);
}

/* Build what is now; when memory is short, what was published stays. */
static void choice_build(struct kproxy_choice *c)
{
	struct kproxy_upstream *up = choice_upstream(c);
	struct kproxy_tiers *tiers;
	struct mem_cgroup *memcg;
	bool growing;

	lockdep_assert_held(&c->lock);
	memcg = kproxy_memcg_enter(up->owner);
	tiers = kproxy_tiers_new(up, &up->options, NULL, &growing);
	kproxy_fault_point(KPROXY_POINT_CHOICE_PUBLISH);
	if (IS_ERR(tiers))
		queue_delayed_work(kproxy_wq, &c->work, BUILD_RETRY);
	else
		choice_publish(c, tiers);
	if (growing)
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
	bool growing;

	/* Published, it is built again soon, which follows what grows. */
	return kproxy_tiers_new(choice_upstream(c), options, view, &growing);
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
	kproxy_tiers_free(tiers);
}

/**
 * kproxy_choice_refresh() - build now what a change has made stale
 * @c: the choice
 *
 * Context: process, may sleep.
 */
void kproxy_choice_refresh(struct kproxy_choice *c)
{
	mutex_lock(&c->lock);
	if (c->stale)
		choice_build(c);
	mutex_unlock(&c->lock);
}
