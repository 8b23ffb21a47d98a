/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_NETLINK_PREFIXES_H
#define _KPROXY_NETLINK_PREFIXES_H

struct genl_info;
struct kproxy_prefixes;
struct sk_buff;

int kproxy_netlink_get_prefixes(const struct genl_info *info,
				struct kproxy_prefixes *old,
				struct kproxy_prefixes **prefixes);
int kproxy_netlink_put_prefixes(struct sk_buff *skb,
				const struct kproxy_prefixes *prefixes);

#endif /* _KPROXY_NETLINK_PREFIXES_H */
