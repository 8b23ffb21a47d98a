/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_FAULT_H
#define _KPROXY_FAULT_H

#include <linux/types.h>

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
void kproxy_fault_init(void);
void kproxy_fault_exit(void);
size_t kproxy_fault_send(size_t len);
int kproxy_fault_insert(void);
#else
static inline void kproxy_fault_init(void)
{
}

static inline void kproxy_fault_exit(void)
{
}

static inline size_t kproxy_fault_send(size_t len)
{
	return len;
}

static inline int kproxy_fault_insert(void)
{
	return 0;
}
#endif

#endif /* _KPROXY_FAULT_H */
