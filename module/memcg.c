// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups. The kernel charges memory to the cgroup of the allocating
 * task, and a socket's buffers to that of the task that creates or accepts it.
 * Sessions are created by kernel workers, which belong to the root cgroup, so
 * nobody would be charged. Therefore a worker allocates for an owner (owner.c)
 * between kproxy_memcg_enter() and kproxy_memcg_leave(). A socket gets the
 * cgroup of the socket that it stems from.
 *
 * A charge that may sleep and finds its cgroup at the limit invokes the OOM
 * killer in that cgroup. That is right for a process's own request, but no
 * client may cause it. Workers therefore call kproxy_memcg_room() before they
 * allocate.
 *
 * A charge above memory.high makes its task sleep for up to two seconds. A
 * worker must not, because other cgroups' works wait for it. It queues reclaim
 * instead, and allocates nothing if the cgroup exceeds memory.high by more than
 * a quarter.
 */
#include <linux/bottom_half.h>
#include <linux/cgroup.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/page_counter.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "memcg.h"

/* Order of a trial charge: twice a connection's need without its buffers. */
#define ROOM_ORDER 2

/* How long a cgroup that had no room is assumed to have none, in jiffies. */
#define FULL_TIME (HZ / 20 ?: 1)

/* The cgroup that a CPU last found full; per CPU, preemption off. */
struct full {
	u64 id;
	/* jiffies */
	unsigned long until;
};

static DEFINE_PER_CPU(struct full, full);

/**
 * kproxy_memcg_id() - return a number for an owner's memory cgroup
 * @owner: the owner's socket
 *
 * Context: any.
 * Return: a number that no other cgroup ever has, 0 for the root's.
 */
u64 kproxy_memcg_id(const struct sock *owner)
{
	struct mem_cgroup *memcg = owner->sk_memcg;

	return memcg ? cgroup_id(memcg->css.cgroup) : 0;
}

/**
 * kproxy_memcg_enter() - charge an owner for allocations
 * @owner: a socket of the owner, which is not freed before kproxy_memcg_leave()
 *
 * This affects allocations with __GFP_ACCOUNT in this context.
 *
 * Context: any.
 * Return: for kproxy_memcg_leave().
 */
struct mem_cgroup *kproxy_memcg_enter(const struct sock *owner)
{
	return set_active_memcg(owner->sk_memcg);
}

/**
 * kproxy_memcg_leave() - restore who is charged
 * @before: the return value of kproxy_memcg_enter()
 *
 * Context: that of kproxy_memcg_enter().
 */
void kproxy_memcg_leave(struct mem_cgroup *before)
{
	set_active_memcg(before);
	/* A worker never returns to user space, where it would be throttled. */
	if (in_task() && current->flags & PF_KTHREAD)
		current->memcg_nr_pages_over_high = 0;
}

/* Whether a cgroup and its ancestors are below their limits. */
static bool below_max(struct mem_cgroup *memcg)
{
	for (; memcg; memcg = parent_mem_cgroup(memcg))
		if (page_counter_read(&memcg->memory) + BIT(ROOM_ORDER) >
		    READ_ONCE(memcg->memory.max))
			return false;
	return true;
}

/* Whether neither it nor an ancestor is far above memory.high. */
static bool below_high(struct mem_cgroup *memcg)
{
	unsigned long now, high;
	bool below = true;

	for (; memcg; memcg = parent_mem_cgroup(memcg)) {
		now = page_counter_read(&memcg->memory);
		high = READ_ONCE(memcg->memory.high);
		if (likely(now <= high))
			continue;
		schedule_work(&memcg->high_work);
		if (now - high > high / 4)
			below = false;
	}
	return below;
}

static bool was_full(u64 id)
{
	const struct full *last = get_cpu_ptr(&full);
	bool was = last->id == id && time_before(jiffies, last->until);

	put_cpu_ptr(&full);
	return was;
}

static void note_full(u64 id)
{
	struct full *last = get_cpu_ptr(&full);

	last->id = id;
	last->until = jiffies + FULL_TIME;
	put_cpu_ptr(&full);
}

/**
 * kproxy_memcg_room() - check whether an owner can be charged for a connection
 * @owner: a socket of the owner
 *
 * At the limit, this tries to reclaim, but no process is killed. After a
 * failure it does not try again for a moment.
 *
 * Context: process, may sleep.
 * Return: false if nothing may be allocated for this owner now.
 */
bool kproxy_memcg_room(const struct sock *owner)
{
	struct mem_cgroup *memcg = owner->sk_memcg, *before;
	struct page *page;

	if (!memcg)
		return true;
	if (unlikely(!below_high(memcg)))
		return false;
	if (likely(below_max(memcg)))
		return true;
	if (was_full(kproxy_memcg_id(owner)))
		return false;
	before = kproxy_memcg_enter(owner);
	page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN,
			   ROOM_ORDER);
	kproxy_memcg_leave(before);
	if (page)
		__free_pages(page, ROOM_ORDER);
	else
		note_full(kproxy_memcg_id(owner));
	return page;
}

/**
 * kproxy_memcg_same() - check whether two sockets share a memory cgroup
 * @a: one
 * @b: the other
 *
 * Context: any.
 * Return: true if they are.
 */
bool kproxy_memcg_same(const struct sock *a, const struct sock *b)
{
	return a->sk_memcg == b->sk_memcg;
}

/**
 * kproxy_memcg_give() - charge a socket's buffers to another one's cgroup
 * @sk: the socket, which has sent nothing yet; no one else changes its cgroup
 * @owner: whose cgroup it is; it is not freed meanwhile
 *
 * What @sk has received is uncharged and charged again, so that the cgroup is
 * charged as well. Bottom halves are off for that. It is therefore charged as
 * on arrival: at once, even above the cgroup's limit.
 *
 * Context: process, may sleep.
 * Return: false if TCP has no memory for what was received; @sk can only be
 * closed then.
 */
bool kproxy_memcg_give(struct sock *sk, const struct sock *owner)
{
	struct mem_cgroup *memcg = owner->sk_memcg;
	bool charged = true;
	int bytes;

	if (sk->sk_memcg == memcg)
		return true;

	lock_sock(sk);
	bytes = sk_mem_pages(sk->sk_forward_alloc +
			     atomic_read(&sk->sk_rmem_alloc)) << PAGE_SHIFT;
	if (bytes)
		__sk_mem_reclaim(sk, bytes);
	if (memcg)
		css_get(&memcg->css);
	if (sk->sk_memcg)
		css_put(&sk->sk_memcg->css);
	sk->sk_memcg = memcg;
	if (bytes) {
		local_bh_disable();
		/* On failure, sk_forward_alloc stays negative until the end. */
		charged = __sk_mem_schedule(sk, bytes, SK_MEM_RECV);
		local_bh_enable();
	}
	release_sock(sk);
	return charged;
}
