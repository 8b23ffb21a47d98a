/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_MEMCG_H
#define _KPROXY_MEMCG_H

#include <linux/types.h>

struct mem_cgroup;
struct sock;

#ifdef CONFIG_MEMCG
bool kproxy_memcg_give(struct sock *sk, const struct sock *owner);
bool kproxy_memcg_same(const struct sock *a, const struct sock *b);
bool kproxy_memcg_room(const struct sock *owner);
struct mem_cgroup *kproxy_memcg_enter(const struct sock *owner);
void kproxy_memcg_leave(struct mem_cgroup *before);
u64 kproxy_memcg_id(const struct sock *owner);
#else
static inline bool kproxy_memcg_give(struct sock *sk, const struct sock *owner)
{
	return true;
}

static inline bool kproxy_memcg_same(const struct sock *a,
				     const struct sock *b)
{
	return true;
}

static inline bool kproxy_memcg_room(const struct sock *owner)
{
	return true;
}

static inline struct mem_cgroup *kproxy_memcg_enter(const struct sock *owner)
{
	return NULL;
}

static inline void kproxy_memcg_leave(struct mem_cgroup *before)
{
}

static inline u64 kproxy_memcg_id(const struct sock *owner)
{
	return 0;
}
#endif

#endif /* _KPROXY_MEMCG_H */
