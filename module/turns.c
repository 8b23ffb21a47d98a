// SPDX-License-Identifier: GPL-2.0
/*
 * The numbers of turns. Each is given once, in the order of the choices, from a
 * counter that all CPUs share: two servers and four clients on two CPUs split two
 * and two. Who chooses often takes several numbers at once, so that a busy CPU
 * writes the shared line now and then only. It uses all of them, and each method
 * is exact over all numbers, so servers get their shares as before. Clients of
 * different CPUs are no longer in order, but by no more than what those take in
 * a quarter of a tick.
 */
#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/percpu.h>

#include "balance.h"

/* Most numbers that a CPU takes at once. */
#define TURNS_MAX 64U

/* One CPU's; by that CPU alone, preemption off. */
struct kproxy_turns_cpu {
	/* the number to use next, and how many are left */
	u32 next;
	u32 left;
	/* the tick of the last choice, how many it has had, and the one before */
	unsigned long tick;
	u32 choices;
	u32 before;
};

/**
 * kproxy_turns_init() - begin to number choices
 * @turns: the numbers, zeroed
 *
 * Without memory for shares of CPUs, numbers are taken one by one.
 *
 * Context: process, may sleep.
 */
void kproxy_turns_init(struct kproxy_turns *turns)
{
	turns->cpus = alloc_percpu_gfp(struct kproxy_turns_cpu,
				       GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

/**
 * kproxy_turns_destroy() - free what numbers choices
 * @turns: the numbers; nobody chooses any more
 *
 * Context: any.
 */
void kproxy_turns_destroy(struct kproxy_turns *turns)
{
	free_percpu(turns->cpus);
}

/* How many to take at once: what is chosen here in a quarter of a tick. */
static u32 turns_wanted(struct kproxy_turns_cpu *cpu)
{
	return clamp(cpu->before / 4, 1U, TURNS_MAX);
}

static void turns_count(struct kproxy_turns_cpu *cpu, unsigned long now)
{
	if (cpu->tick != now) {
		cpu->before = cpu->tick + 1 == now ? cpu->choices : 0;
		cpu->choices = 0;
		cpu->tick = now;
	}
	cpu->choices++;
}

/**
 * kproxy_turns_next() - the number of the next choice
 * @turns: the numbers
 * @now: jiffies
 *
 * Context: process.
 * Return: the number, which nobody else gets until all were given.
 */
u32 kproxy_turns_next(struct kproxy_turns *turns, unsigned long now)
{
	struct kproxy_turns_cpu *cpu;
	u32 turn;

	if (!turns->cpus)
		return atomic_fetch_inc(&turns->taken);
	cpu = get_cpu_ptr(turns->cpus);
	turns_count(cpu, now);
	if (!cpu->left) {
		cpu->left = turns_wanted(cpu);
		cpu->next = atomic_fetch_add(cpu->left, &turns->taken);
	}
	cpu->left--;
	turn = cpu->next++;
	put_cpu_ptr(turns->cpus);
	return turn;
}
