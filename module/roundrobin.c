// SPDX-License-Identifier: GPL-2.0
/*
 * Weighted round robin by stride scheduling. Each entry is due again one
 * stride of virtual time after its last turn, a stride is the inverse of the
 * weight, and whoever is due first is next. That spreads the turns of a heavy
 * entry evenly between those of the light ones, costs O(log n) a pick whatever
 * the weights are, and needs no table that a change of weight must rebuild.
 */
#include "roundrobin.h"

/*
 * The stride of weight 1. Divisible by 1 to 16, so that small weights, which
 * are the usual ones, give exact shares; large enough that the rounding of the
 * others stays below one turn in a million.
 */
#define STRIDE_ONE (720720ULL << 12)

static bool entry_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct kproxy_roundrobin_entry, node)->due <
	       rb_entry(b, struct kproxy_roundrobin_entry, node)->due;
}

/**
 * kproxy_roundrobin_init() - make an empty queue
 * @rr: the queue
 *
 * Context: any.
 */
void kproxy_roundrobin_init(struct kproxy_roundrobin *rr)
{
	rr->queue = RB_ROOT_CACHED;
	rr->now = 0;
}

/**
 * kproxy_roundrobin_set() - give an entry its share of the turns
 * @rr: the queue
 * @entry: the entry, all zero before its first use
 * @weight: its share; 0 takes it out of the queue
 *
 * An entry that joins is due one stride from now, as if it had just had its
 * turn: it neither waits longer than its weight says nor gets a burst. One
 * whose weight is unchanged keeps its place.
 *
 * Context: any, under the lock of the queue's owner.
 */
void kproxy_roundrobin_set(struct kproxy_roundrobin *rr,
			   struct kproxy_roundrobin_entry *entry,
			   unsigned int weight)
{
	if (weight == entry->weight)
		return;
	if (entry->weight)
		rb_erase_cached(&entry->node, &rr->queue);
	entry->weight = weight;
	if (!weight)
		return;
	entry->stride = STRIDE_ONE / weight;
	entry->due = rr->now + entry->stride;
	rb_add_cached(&entry->node, &rr->queue, entry_less);
}

/**
 * kproxy_roundrobin_pick() - whose turn it is
 * @rr: the queue
 *
 * Context: any, under the lock of the queue's owner.
 * Return: the entry, whose turn is over with this, or NULL from an empty queue.
 */
struct kproxy_roundrobin_entry *
kproxy_roundrobin_pick(struct kproxy_roundrobin *rr)
{
	struct rb_node *first = rb_first_cached(&rr->queue);
	struct kproxy_roundrobin_entry *entry;

	if (!first)
		return NULL;
	entry = rb_entry(first, struct kproxy_roundrobin_entry, node);
	rb_erase_cached(first, &rr->queue);
	rr->now = entry->due;
	entry->due += entry->stride;
	rb_add_cached(first, &rr->queue, entry_less);
	return entry;
}
