/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_POOL_H
#define _KPROXY_POOL_H

#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct kmem_cache;
struct page;
struct kproxy_pool_cpu;

struct kproxy_pool {
	struct kproxy_pool_cpu __percpu *cpus;
	/* where objects come from, and their size */
	struct kmem_cache *cache;
	size_t size;
	unsigned int pages;
	unsigned int objects;
};

/* A fragment of a page; the holder has a reference to the page. */
struct kproxy_pool_frag {
	struct page *page;
	unsigned int offset;
	unsigned int len;
};

/* One CPU's pool: what it holds, and its counters. */
struct kproxy_pool_info {
	unsigned int pages;
	unsigned int pages_free;
	unsigned int objects;
	unsigned int objects_free;
	u64 page_refills;
	u64 object_refills;
	u64 fallbacks;
};

int kproxy_pool_init(struct kproxy_pool *pool, const char *name,
		     unsigned int pages, unsigned int objects, size_t size);
void kproxy_pool_destroy(struct kproxy_pool *pool);
void *kproxy_pool_get(struct kproxy_pool *pool);
void kproxy_pool_put(struct kproxy_pool *pool, void *object);
bool kproxy_pool_frag_get(struct kproxy_pool *pool, unsigned int len,
			  struct kproxy_pool_frag *frag);
void kproxy_pool_info(const struct kproxy_pool *pool, int cpu,
		      struct kproxy_pool_info *info);

#endif /* _KPROXY_POOL_H */
