/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LOG_H
#define _KPROXY_LOG_H

#include <linux/kconfig.h>

struct kproxy_log;
struct kproxy_session;
struct net;

#if IS_ENABLED(CONFIG_RELAY) && IS_ENABLED(CONFIG_DEBUG_FS)

void kproxy_log_init(void);
void kproxy_log_exit(void);
struct kproxy_log *kproxy_log_open(const struct net *net);
void kproxy_log_close(struct kproxy_log *log);
void kproxy_log_session(struct kproxy_log *log, const struct kproxy_session *s);

#else

static inline void kproxy_log_init(void)
{
}

static inline void kproxy_log_exit(void)
{
}

static inline struct kproxy_log *kproxy_log_open(const struct net *net)
{
	return NULL;
}

static inline void kproxy_log_close(struct kproxy_log *log)
{
}

static inline void kproxy_log_session(struct kproxy_log *log,
				      const struct kproxy_session *s)
{
}

#endif

#endif /* _KPROXY_LOG_H */
