/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_NETLINK_H
#define _KPROXY_NETLINK_H

#include <linux/init.h>
#include <linux/types.h>

#include "sockopts.h"

struct genl_info;
struct kproxy_event_ops;
struct kproxy_check_text;
struct kproxy_listener;
struct kproxy_net;
struct kproxy_option;
struct kproxy_refusal;
struct kproxy_route;
struct kproxy_server;
struct kproxy_session;
struct kproxy_source;
struct kproxy_stats;
struct kproxy_upstream;
struct kproxy_upstream_options;
struct kproxy_view;
struct netlink_callback;
struct netlink_ext_ack;
struct nlattr;
struct sk_buff;
struct sock;
union kproxy_addr;

/*
 * Size of the largest object in bytes: a listener with the maximum number of
 * networks. Dumps are sent in messages of up to 32 KiB.
 */
#define KPROXY_NETLINK_OBJECT_MAX 32000

/* Writes the attributes of an object: 0, or -EMSGSIZE if there is no room. */
typedef int (*kproxy_netlink_put)(struct sk_buff *skb, const void *object);

extern const struct kproxy_event_ops kproxy_netlink_events;

int __init kproxy_netlink_init(void);
void kproxy_netlink_exit(void);
struct sock *kproxy_netlink_sock(const struct genl_info *info);
struct kproxy_net *kproxy_netlink_lock(const struct genl_info *info);
struct kproxy_net *kproxy_netlink_dump_lock(struct netlink_callback *cb);
void kproxy_netlink_unlock(struct kproxy_net *kn);
struct kproxy_view *kproxy_netlink_begin(const struct genl_info *info,
					 struct kproxy_view *own);
int kproxy_netlink_end(const struct genl_info *info, struct kproxy_view *view,
		       int attr, int err);
int kproxy_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb,
			kproxy_netlink_put put, const void *object);
int kproxy_netlink_reply(struct genl_info *info, kproxy_netlink_put put,
			 const void *object);
void kproxy_netlink_notify(const struct kproxy_net *kn, unsigned int group,
			   u8 cmd, kproxy_netlink_put put, const void *object,
			   gfp_t gfp);
void kproxy_netlink_listener_event(const struct kproxy_listener *l, u8 cmd);
void kproxy_netlink_route_event(const struct kproxy_listener *l,
				const struct kproxy_route *route, u8 cmd);
void kproxy_netlink_upstream_event(const struct kproxy_upstream *up, u8 cmd);
void kproxy_netlink_server_event(const struct kproxy_server *server, u8 cmd);
void kproxy_netlink_session_event(const struct kproxy_session *s, u8 cmd);
void kproxy_netlink_refused(const struct kproxy_refusal *refusal);
int kproxy_netlink_name(const struct genl_info *info, int attr,
			const char **name);
struct kproxy_listener *
kproxy_netlink_find_listener(struct kproxy_net *kn,
			     const struct kproxy_view *view,
			     const struct genl_info *info, int attr);
struct kproxy_upstream *
kproxy_netlink_find_upstream(struct kproxy_net *kn,
			     const struct kproxy_view *view,
			     const struct genl_info *info, int attr);
int kproxy_netlink_get_addr(const struct nlattr *attr, union kproxy_addr *addr,
			    struct netlink_ext_ack *extack);
int kproxy_netlink_get_next_addr(const struct nlattr *attr,
				 union kproxy_addr *addrs, unsigned int n,
				 struct netlink_ext_ack *extack);
int kproxy_netlink_put_addr(struct sk_buff *skb, int attr,
			    const union kproxy_addr *addr);
int kproxy_netlink_put_counters(struct sk_buff *skb, int attr,
				const struct kproxy_stats *sum,
				unsigned int sessions);
void kproxy_netlink_get_options(const struct genl_info *info,
				const struct kproxy_option *table,
				void *options);
int kproxy_netlink_put_options(struct sk_buff *skb,
			       const struct kproxy_option *table,
			       const void *options);
int kproxy_netlink_get_sockopts(const struct genl_info *info,
				enum kproxy_sockopts_side side,
				struct kproxy_sockopts *opts);
int kproxy_netlink_put_sockopts(struct sk_buff *skb,
				enum kproxy_sockopts_side side,
				const struct kproxy_sockopts *opts);
int kproxy_netlink_get_source(const struct genl_info *info,
			      struct kproxy_source *source);
int kproxy_netlink_put_source(struct sk_buff *skb,
			      const struct kproxy_source *source);
int kproxy_netlink_get_check(const struct genl_info *info,
			     struct kproxy_upstream_options *options);
int kproxy_netlink_put_check(struct sk_buff *skb,
			     const struct kproxy_check_text *text);

void kproxy_netlink_server_health(const struct kproxy_server *server);

#endif /* _KPROXY_NETLINK_H */
