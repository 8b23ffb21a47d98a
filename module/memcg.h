/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_MEMCG_H
#define _KPROXY_MEMCG_H

#include <linux/types.h>

struct sock;

#ifdef CONFIG_MEMCG
bool kproxy_memcg_inherit(struct sock *sk, const struct sock *from);
#else
static inline bool kproxy_memcg_inherit(struct sock *sk,
					const struct sock *from)
{
	return true;
}
#endif

#endif /* _KPROXY_MEMCG_H */
