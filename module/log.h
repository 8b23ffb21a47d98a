/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LOG_H
#define _KPROXY_LOG_H

#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/types.h>

struct file;
struct kproxy_log;
struct kproxy_refusal;
struct kproxy_session;

#if IS_ENABLED(CONFIG_SHMEM)

int kproxy_log_init(void);
void kproxy_log_exit(void);
bool kproxy_log_enabled(void);
struct kproxy_log *kproxy_log_open(void);
void kproxy_log_close(struct kproxy_log *log);
struct file *kproxy_log_file(const struct kproxy_log *log);
void kproxy_log_session(struct kproxy_log *log, const struct kproxy_session *s,
			u32 omitted);
void kproxy_log_refusal(struct kproxy_log *log,
			const struct kproxy_refusal *refusal);

#else

static inline int kproxy_log_init(void)
{
	return 0;
}

static inline void kproxy_log_exit(void)
{
}

static inline bool kproxy_log_enabled(void)
{
	return false;
}

static inline struct kproxy_log *kproxy_log_open(void)
{
	return NULL;
}

static inline void kproxy_log_close(struct kproxy_log *log)
{
}

static inline struct file *kproxy_log_file(const struct kproxy_log *log)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void kproxy_log_session(struct kproxy_log *log,
				      const struct kproxy_session *s,
				      u32 omitted)
{
}

static inline void kproxy_log_refusal(struct kproxy_log *log,
				      const struct kproxy_refusal *refusal)
{
}

#endif

#endif /* _KPROXY_LOG_H */
