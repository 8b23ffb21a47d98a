/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_QUOTA_H
#define _KPROXY_QUOTA_H

#include <linux/types.h>

struct kproxy_quota;
struct kproxy_quota_user;
struct net;
struct netlink_ext_ack;

/* Resources that are limited in network namespaces of user namespaces. */
enum kproxy_quota_kind {
	/* listeners, their addresses, upstreams, servers and routes */
	KPROXY_QUOTA_OBJECTS,
	/* idle connections */
	KPROXY_QUOTA_CONNECTIONS,
	/* checks per 1,000 seconds */
	KPROXY_QUOTA_CHECKS,

	KPROXY_QUOTAS
};

bool kproxy_quota_user_sample(struct kproxy_quota_user *user, u32 *omitted);
struct kproxy_quota_user *kproxy_quota_user_charge(struct netlink_ext_ack *extack);
void kproxy_quota_user_uncharge(struct kproxy_quota_user *user);
void kproxy_quota_user_put(struct kproxy_quota_user *user);
void kproxy_quota_drain(void);
struct workqueue_struct *
kproxy_quota_user_wq(const struct kproxy_quota_user *user);
bool kproxy_quota_applies(const struct net *net);
int kproxy_quota_admit(const struct net *net, struct netlink_ext_ack *extack);
int kproxy_quota_new(const struct net *net, struct kproxy_quota **quota);
struct kproxy_quota *kproxy_quota_hold(struct kproxy_quota *quota);
void kproxy_quota_put(struct kproxy_quota *quota);
int kproxy_quota_charge(struct kproxy_quota *quota, enum kproxy_quota_kind kind,
			u64 n, struct netlink_ext_ack *extack);
void kproxy_quota_uncharge(struct kproxy_quota *quota,
			   enum kproxy_quota_kind kind, u64 n);

#endif /* _KPROXY_QUOTA_H */
