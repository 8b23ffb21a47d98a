// SPDX-License-Identifier: GPL-2.0
/* Requests about routes. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "listener.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netns.h"
#include "route.h"
#include "upstream.h"

/* A route with its listener, which struct kproxy_route does not refer to. */
struct told_route {
	const struct kproxy_listener *listener;
	const struct kproxy_route *route;
};

static int put_route(struct sk_buff *skb, const void *object)
{
	const struct told_route *told = object;

	if (nla_put_string(skb, KPROXY_A_ROUTE_LISTENER,
			   told->listener->name) ||
	    nla_put_string(skb, KPROXY_A_ROUTE_SNI, told->route->sni) ||
	    nla_put_string(skb, KPROXY_A_ROUTE_UPSTREAM,
			   told->route->upstream->name))
		return -EMSGSIZE;
	return 0;
}

/**
 * kproxy_netlink_route_event() - send an event about a route
 * @l: its listener, its namespace's configuration lock held
 * @route: the route
 * @cmd: KPROXY_CMD_ROUTE_*_NTF
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_route_event(const struct kproxy_listener *l,
				const struct kproxy_route *route, u8 cmd)
{
	const struct told_route told = { .listener = l, .route = route };

	lockdep_assert_held(&l->kn->lock);
	kproxy_netlink_notify(l->kn, KPROXY_NLGRP_EVENTS, cmd, put_route, &told,
			      GFP_KERNEL);
}

static struct kproxy_listener *find_listener(struct kproxy_net *kn,
					     const struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[KPROXY_A_ROUTE_LISTENER];
	struct kproxy_listener *l = kproxy_listener_find(kn, nla_data(attr));

	if (!l)
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such listener");
	return l;
}

/* Read the names that a request about one route must have. */
static int get_key(const struct genl_info *info, char *pattern)
{
	const struct nlattr *sni;
	const char *listener;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_ROUTE_LISTENER, &listener);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KPROXY_A_ROUTE_SNI))
		return -EINVAL;
	sni = info->attrs[KPROXY_A_ROUTE_SNI];
	if (kproxy_route_pattern(pattern, nla_data(sni)))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, sni,
			    "a server name is letters, digits, - and _ with dots between, perhaps after \"*.\"");
	return -EINVAL;
}

static int add_route(struct kproxy_net *kn, const struct genl_info *info,
		     const char *pattern)
{
	const struct nlattr *attr = info->attrs[KPROXY_A_ROUTE_UPSTREAM];
	struct kproxy_listener *l = find_listener(kn, info);
	struct kproxy_upstream *up;
	int err;

	if (!l)
		return -ENOENT;
	up = kproxy_upstream_find(kn, nla_data(attr));
	if (!up) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such upstream");
		return -ENOENT;
	}
	err = kproxy_route_add(l, pattern, up, info->extack);
	if (err)
		NL_SET_BAD_ATTR(info->extack, info->attrs[KPROXY_A_ROUTE_SNI]);
	return err;
}

int kproxy_nl_route_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	char pattern[KPROXY_SNI_MAX + 1];
	struct kproxy_net *kn;
	int err;

	err = get_key(info, pattern);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KPROXY_A_ROUTE_UPSTREAM))
		return -EINVAL;
	kn = kproxy_netlink_lock(info);
	err = add_route(kn, info, pattern);
	kproxy_netlink_unlock(kn);
	return err;
}

/* Handles a request about an existing route. */
typedef int (*route_act)(struct kproxy_listener *l, struct kproxy_route *route,
			 struct genl_info *info);

static int act_on_route(struct kproxy_net *kn, struct genl_info *info,
			const char *pattern, route_act act)
{
	struct kproxy_listener *l = find_listener(kn, info);
	struct kproxy_route *route;

	if (!l)
		return -ENOENT;
	route = kproxy_route_find(l, pattern);
	if (!route) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[KPROXY_A_ROUTE_SNI],
				    "the listener has no route for this name");
		return -ENOENT;
	}
	return act(l, route, info);
}

static int on_route(struct genl_info *info, route_act act)
{
	char pattern[KPROXY_SNI_MAX + 1];
	struct kproxy_net *kn;
	int err;

	err = get_key(info, pattern);
	if (err)
		return err;
	kn = kproxy_netlink_lock(info);
	err = act_on_route(kn, info, pattern, act);
	kproxy_netlink_unlock(kn);
	return err;
}

static int del_route(struct kproxy_listener *l, struct kproxy_route *route,
		     struct genl_info *info)
{
	return kproxy_route_del(l, route, info->extack);
}

int kproxy_nl_route_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return on_route(info, del_route);
}

static int reply_route(struct kproxy_listener *l, struct kproxy_route *route,
		       struct genl_info *info)
{
	const struct told_route told = { .listener = l, .route = route };

	return kproxy_netlink_reply(info, put_route, &told);
}

int kproxy_nl_route_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return on_route(info, reply_route);
}

/*
 * Where a dump resumes: at this route of this listener. @at points to it as
 * long as the configuration has not changed.
 */
struct dump_ctx {
	u64 listener;
	u64 changes;
	const struct kproxy_listener *at;
	u32 place;
};

/* Dump the routes of one listener that were not dumped yet. */
static int dump_listener(struct sk_buff *skb, struct netlink_callback *cb,
			 const struct kproxy_listener *l, struct dump_ctx *ctx)
{
	const struct kproxy_routes *routes = kproxy_routes_now(l);
	int err;

	if (l->id < ctx->listener)
		return 0;
	if (l->id > ctx->listener) {
		ctx->listener = l->id;
		ctx->place = 0;
	}
	ctx->at = l;
	for (; routes && ctx->place < routes->n; ctx->place++) {
		const struct told_route told = {
			.listener = l,
			.route = routes->route[ctx->place],
		};

		err = kproxy_netlink_dump(skb, cb, put_route, &told);
		if (err)
			return err;
	}
	return 0;
}

static int dump_routes(struct sk_buff *skb, struct netlink_callback *cb,
		       struct kproxy_net *kn, struct dump_ctx *ctx)
{
	const struct genl_info *info = genl_info_dump(cb);
	const struct kproxy_listener *l;
	int err;

	if (info->attrs[KPROXY_A_ROUTE_LISTENER]) {
		l = find_listener(kn, info);
		return l ? dump_listener(skb, cb, l, ctx) : -ENOENT;
	}
	if (ctx->changes != kn->changes)
		ctx->at = NULL;
	ctx->changes = kn->changes;
	l = ctx->at ?: list_first_entry(&kn->listeners,
					const struct kproxy_listener, node);
	list_for_each_entry_from(l, &kn->listeners, node) {
		err = dump_listener(skb, cb, l, ctx);
		if (err)
			return err;
	}
	return 0;
}

int kproxy_nl_route_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_dump_lock(cb);
	int err;

	err = dump_routes(skb, cb, kn, (void *)cb->ctx);
	kproxy_netlink_unlock(kn);
	return err;
}
