// SPDX-License-Identifier: GPL-2.0
/*
 * Preallocated memory for the data path. Each CPU has a ring of pages, for
 * bytes that must be copied, and a stack of objects. Both are filled when the
 * pool is initialised.
 *
 * Pages: a fragment of the current page is handed out with a reference to it,
 * and is queued to a socket by reference. The pool always keeps one reference
 * to each of its pages. A page whose count is 1 has therefore come back,
 * wherever the last reference was dropped. This needs no list, lock or
 * callback.
 *
 * No page, in the ring or beyond it, is charged to a memory cgroup, because
 * sessions of all cgroups share them. Each socket is charged for the bytes that
 * it holds in them.
 *
 * Objects: a freed object returns to the CPU it came from. If that is this CPU,
 * it goes to its stack, otherwise to a lockless list beside it. The CPU takes
 * the whole list when its stack is empty.
 *
 * If the pool is empty, memory comes from the kernel and goes back to it. That
 * is counted as a fallback.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/local_lock.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "pool.h"

/* How many pages of the ring to check for one that has come back. */
#define RING_SCAN 8

/* Follows each object, so that the object begins on a cache line. */
struct pool_header {
	struct llist_node node;
	/* the CPU whose pool it belongs to, -1 for a fallback */
	int cpu;
} __aligned(sizeof(u64));

struct kproxy_pool_cpu {
	/*
	 * Taken by this CPU alone, with bottom halves off, which is all that it
	 * takes but for PREEMPT_RT: there other tasks may preempt this one.
	 */
	local_lock_t lock;

	/* Under the lock. */
	struct page *page;
	unsigned int offset;
	/* index of @page in the ring */
	unsigned int next;
	struct llist_node *stack;
	unsigned int in_stack;
	/* current page of the fallbacks, not in the ring; or NULL */
	struct page *loose;
	unsigned int loose_offset;

	/* Written under the lock, read locklessly. */
	u64 page_refills;
	u64 object_refills;
	u64 fallbacks;

	/* Constant. */
	struct page **ring;
	unsigned int pages;
	unsigned int objects;

	/* Objects freed by other CPUs: any CPU adds, this one takes all. */
	struct llist_head returned ____cacheline_aligned_in_smp;
	atomic_t in_returned;
};

static struct pool_header *object_header(const struct kproxy_pool *pool,
					 void *object)
{
	return object + pool->size;
}

static void *header_object(const struct kproxy_pool *pool,
			   struct pool_header *header)
{
	return (void *)header - pool->size;
}

static void stack_push(struct kproxy_pool_cpu *pc, struct pool_header *header)
{
	header->node.next = pc->stack;
	pc->stack = &header->node;
	WRITE_ONCE(pc->in_stack, pc->in_stack + 1);
}

static struct pool_header *stack_pop(struct kproxy_pool_cpu *pc)
{
	struct llist_node *node = pc->stack;

	if (!node)
		return NULL;
	pc->stack = node->next;
	WRITE_ONCE(pc->in_stack, pc->in_stack - 1);
	return llist_entry(node, struct pool_header, node);
}

static void stack_refill(struct kproxy_pool_cpu *pc)
{
	struct llist_node *list = llist_del_all(&pc->returned);
	struct pool_header *header, *next;
	unsigned int n = 0;

	llist_for_each_entry_safe(header, next, list, node) {
		stack_push(pc, header);
		n++;
	}
	if (n) {
		atomic_sub(n, &pc->in_returned);
		WRITE_ONCE(pc->object_refills, pc->object_refills + 1);
	}
}

static struct pool_header *header_alloc(struct kproxy_pool *pool, int cpu,
					gfp_t gfp)
{
	void *object = kmem_cache_alloc(pool->cache, gfp);
	struct pool_header *header;

	if (!object)
		return NULL;
	header = object_header(pool, object);
	header->cpu = cpu;
	return header;
}

/**
 * kproxy_pool_get() - take an object
 * @pool: the pool
 *
 * Preallocated objects are not charged to a memory cgroup. A fallback is
 * charged to the caller's, or to the one set by kproxy_memcg_enter().
 *
 * Context: process, may sleep.
 * Return: the object, uninitialised, for kproxy_pool_put(); NULL if the pool is
 * empty and memory is short.
 */
void *kproxy_pool_get(struct kproxy_pool *pool)
{
	struct kproxy_pool_cpu *pc;
	struct pool_header *header;

	local_bh_disable();
	local_lock_nested_bh(&pool->cpus->lock);
	pc = this_cpu_ptr(pool->cpus);
	if (unlikely(!pc->stack))
		stack_refill(pc);
	header = stack_pop(pc);
	if (unlikely(!header))
		WRITE_ONCE(pc->fallbacks, pc->fallbacks + 1);
	local_unlock_nested_bh(&pool->cpus->lock);
	local_bh_enable();

	if (unlikely(!header))
		header = header_alloc(pool, -1, GFP_KERNEL_ACCOUNT |
				      __GFP_NORETRY | __GFP_NOWARN);
	return header ? header_object(pool, header) : NULL;
}

/**
 * kproxy_pool_put() - return an object
 * @pool: the pool it was taken from
 * @object: the object
 *
 * Context: process or softirq, on any CPU.
 */
void kproxy_pool_put(struct kproxy_pool *pool, void *object)
{
	struct pool_header *header = object_header(pool, object);
	struct kproxy_pool_cpu *pc;

	if (unlikely(header->cpu < 0)) {
		kmem_cache_free(pool->cache, object);
		return;
	}
	local_bh_disable();
	pc = per_cpu_ptr(pool->cpus, header->cpu);
	if (header->cpu == smp_processor_id()) {
		local_lock_nested_bh(&pool->cpus->lock);
		stack_push(pc, header);
		local_unlock_nested_bh(&pool->cpus->lock);
	} else {
		llist_add(&header->node, &pc->returned);
		atomic_inc(&pc->in_returned);
	}
	local_bh_enable();
}

/*
 * Whether only the pool holds the page. The last put_page() of another holder
 * is fully ordered. Later accesses here depend on the count that was read, so
 * nothing is written to the page before the other has stopped reading it.
 */
static bool page_is_back(struct page *page)
{
	return page_ref_count(page) == 1;
}

static bool ring_advance(struct kproxy_pool_cpu *pc)
{
	unsigned int i;

	for (i = 0; i < min(pc->pages, RING_SCAN); i++) {
		if (++pc->next >= pc->pages)
			pc->next = 0;
		if (page_is_back(pc->ring[pc->next])) {
			pc->page = pc->ring[pc->next];
			pc->offset = 0;
			WRITE_ONCE(pc->page_refills, pc->page_refills + 1);
			return true;
		}
	}
	return false;
}

static void frag_take(struct kproxy_pool_frag *frag, struct page *page,
		      unsigned int *offset, unsigned int len)
{
	get_page(page);
	frag->page = page;
	frag->offset = *offset;
	frag->len = len;
	*offset += len;
}

static bool frag_from_ring(struct kproxy_pool_cpu *pc, unsigned int len,
			   struct kproxy_pool_frag *frag)
{
	if (unlikely(!pc->page))
		return false;
	/* Start over in the same page, which is still in the CPU's cache. */
	if (page_is_back(pc->page))
		pc->offset = 0;
	if (pc->offset + len > PAGE_SIZE && !ring_advance(pc))
		return false;
	frag_take(frag, pc->page, &pc->offset, len);
	return true;
}

static bool frag_from_kernel(struct kproxy_pool_cpu *pc, unsigned int len,
			     struct kproxy_pool_frag *frag)
{
	if (!pc->loose || pc->loose_offset + len > PAGE_SIZE) {
		if (pc->loose)
			put_page(pc->loose);
		WRITE_ONCE(pc->fallbacks, pc->fallbacks + 1);
		pc->loose = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
		if (!pc->loose)
			return false;
		pc->loose_offset = 0;
	}
	frag_take(frag, pc->loose, &pc->loose_offset, len);
	return true;
}

/**
 * kproxy_pool_frag_get() - take a fragment of a page
 * @pool: the pool
 * @len: bytes wanted, 1 to PAGE_SIZE
 * @frag: the fragment, if there is one; the caller puts its page
 *
 * Consecutive fragments are adjacent in the page as long as they fit.
 *
 * Context: bottom halves off.
 * Return: false if the pool is empty and memory is short.
 */
bool kproxy_pool_frag_get(struct kproxy_pool *pool, unsigned int len,
			  struct kproxy_pool_frag *frag)
{
	struct kproxy_pool_cpu *pc;
	bool got;

	local_lock_nested_bh(&pool->cpus->lock);
	pc = this_cpu_ptr(pool->cpus);
	got = likely(frag_from_ring(pc, len, frag)) ||
	      frag_from_kernel(pc, len, frag);
	local_unlock_nested_bh(&pool->cpus->lock);
	return got;
}

/**
 * kproxy_pool_info() - report what one CPU's pool holds, and its counters
 * @pool: the pool
 * @cpu: a possible CPU
 * @info: where to store it; each number is exact, but together they are no
 *	snapshot
 *
 * Context: any.
 */
void kproxy_pool_info(const struct kproxy_pool *pool, int cpu,
		      struct kproxy_pool_info *info)
{
	const struct kproxy_pool_cpu *pc = per_cpu_ptr(pool->cpus, cpu);
	unsigned int i;

	info->pages = pc->pages;
	info->pages_free = 0;
	for (i = 0; i < pc->pages; i++)
		info->pages_free += page_is_back(pc->ring[i]);
	info->objects = pc->objects;
	info->objects_free = READ_ONCE(pc->in_stack) +
			     atomic_read(&pc->in_returned);
	info->page_refills = READ_ONCE(pc->page_refills);
	info->object_refills = READ_ONCE(pc->object_refills);
	info->fallbacks = READ_ONCE(pc->fallbacks);
}

static int pool_cpu_init(struct kproxy_pool *pool, int cpu)
{
	struct kproxy_pool_cpu *pc = per_cpu_ptr(pool->cpus, cpu);
	int node = cpu_to_node(cpu);
	struct pool_header *header;

	local_lock_init(&pc->lock);
	init_llist_head(&pc->returned);
	pc->ring = kvcalloc_node(pool->pages, sizeof(*pc->ring), GFP_KERNEL,
				 node);
	if (!pc->ring)
		return -ENOMEM;
	while (pc->pages < pool->pages) {
		struct page *page = alloc_pages_node(node, GFP_KERNEL, 0);

		if (!page)
			return -ENOMEM;
		pc->ring[pc->pages++] = page;
	}
	if (pc->pages)
		pc->page = pc->ring[0];
	while (pc->objects < pool->objects) {
		header = header_alloc(pool, cpu, GFP_KERNEL);
		if (!header)
			return -ENOMEM;
		stack_push(pc, header);
		pc->objects++;
	}
	return 0;
}

static void pool_cpu_destroy(struct kproxy_pool *pool, int cpu)
{
	struct kproxy_pool_cpu *pc = per_cpu_ptr(pool->cpus, cpu);
	struct pool_header *header;

	stack_refill(pc);
	while ((header = stack_pop(pc)))
		kmem_cache_free(pool->cache, header_object(pool, header));
	/* A page that a socket still holds is freed by the socket. */
	while (pc->pages)
		put_page(pc->ring[--pc->pages]);
	if (pc->loose)
		put_page(pc->loose);
	kvfree(pc->ring);
}

/**
 * kproxy_pool_init() - set up a pool and fill it
 * @pool: the pool
 * @name: name of its objects in /proc/slabinfo
 * @pages: pages for each possible CPU
 * @objects: objects for each possible CPU
 * @size: bytes of an object
 *
 * Context: process, may sleep.
 * Return: 0, or -ENOMEM with everything freed.
 */
int kproxy_pool_init(struct kproxy_pool *pool, const char *name,
		     unsigned int pages, unsigned int objects, size_t size)
{
	int cpu;

	pool->pages = pages;
	pool->objects = objects;
	pool->size = ALIGN(size, __alignof__(struct pool_header));
	pool->cache = kmem_cache_create(name, pool->size +
					sizeof(struct pool_header), 0,
					SLAB_HWCACHE_ALIGN, NULL);
	if (!pool->cache)
		return -ENOMEM;
	pool->cpus = alloc_percpu(struct kproxy_pool_cpu);
	if (!pool->cpus)
		goto err_cache;
	for_each_possible_cpu(cpu)
		if (pool_cpu_init(pool, cpu))
			goto err_pool;
	return 0;

err_pool:
	kproxy_pool_destroy(pool);
	return -ENOMEM;
err_cache:
	kmem_cache_destroy(pool->cache);
	return -ENOMEM;
}

/**
 * kproxy_pool_destroy() - free a pool
 * @pool: the pool; all objects are back, pages may still be in sockets' queues
 *
 * Context: process, may sleep.
 */
void kproxy_pool_destroy(struct kproxy_pool *pool)
{
	int cpu;

	for_each_possible_cpu(cpu)
		pool_cpu_destroy(pool, cpu);
	free_percpu(pool->cpus);
	kmem_cache_destroy(pool->cache);
}
