/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	docs/netlink/kproxy.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_KPROXY_GEN_H
#define _LINUX_KPROXY_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/kproxy.h>

/* Common nested types */
extern const struct nla_policy kproxy_endpoint_nl_policy[KPROXY_A_ENDPOINT_SCOPE + 1];
extern const struct nla_policy kproxy_keepalive_nl_policy[KPROXY_A_KEEPALIVE_COUNT + 1];
extern const struct nla_policy kproxy_source_nl_policy[KPROXY_A_SOURCE_ADDRESS + 1];

/* Ops table for kproxy */
extern const struct genl_split_ops kproxy_nl_ops[30];

int kproxy_nl_admin_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
			 struct genl_info *info);
int kproxy_nl_bare_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
			struct genl_info *info);
int kproxy_nl_admin_bare_doit(const struct genl_split_ops *ops,
			      struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_listener_get_start(struct netlink_callback *cb);
int kproxy_nl_bare_start(struct netlink_callback *cb);
int kproxy_nl_session_get_start(struct netlink_callback *cb);
int kproxy_nl_route_get_start(struct netlink_callback *cb);
int kproxy_nl_session_get_done(struct netlink_callback *cb);
int kproxy_nl_route_get_done(struct netlink_callback *cb);

int kproxy_nl_listener_get_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_listener_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int kproxy_nl_listener_add_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_listener_set_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_listener_del_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_upstream_get_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_upstream_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int kproxy_nl_upstream_add_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_upstream_set_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_upstream_del_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_server_get_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_server_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int kproxy_nl_server_add_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_server_set_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_server_del_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_session_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int kproxy_nl_session_kill_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_pool_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int kproxy_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_stats_reset_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_transaction_begin_doit(struct sk_buff *skb,
				     struct genl_info *info);
int kproxy_nl_transaction_commit_doit(struct sk_buff *skb,
				      struct genl_info *info);
int kproxy_nl_transaction_abort_doit(struct sk_buff *skb,
				     struct genl_info *info);
int kproxy_nl_listener_drain_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_route_get_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_route_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int kproxy_nl_route_add_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_route_del_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_log_get_doit(struct sk_buff *skb, struct genl_info *info);
int kproxy_nl_splice_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	KPROXY_NLGRP_EVENTS,
	KPROXY_NLGRP_SESSION,
};

#endif /* _LINUX_KPROXY_GEN_H */
