// SPDX-License-Identifier: GPL-2.0
/* Requests about routes. */
#include <linux/slab.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "listener.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "root.h"
#include "route.h"
#include "route-change.h"
#include "upstream.h"

/* A route with its listener, which struct kproxy_route does not refer to. */
struct told_route {
	const struct kproxy_listener *listener;
	const struct kproxy_route *route;
};

static int put_from(struct sk_buff *skb, const struct kproxy_route_key *key)
{
	union kproxy_addr addr;
	unsigned int len;

	kproxy_route_get_from(key, &addr, &len);
	if (kproxy_netlink_put_addr(skb, KPROXY_A_ROUTE_FROM, &addr) ||
	    nla_put_u32(skb, KPROXY_A_ROUTE_FROM_PREFIX, len))
		return -EMSGSIZE;
	return 0;
}

/* Write the criteria that the route has. */
static int put_key(struct sk_buff *skb, const struct kproxy_route_key *key)
{
	if ((*key->sni &&
	     nla_put_string(skb, KPROXY_A_ROUTE_SNI, key->sni)) ||
	    (*key->alpn &&
	     nla_put_string(skb, KPROXY_A_ROUTE_ALPN, key->alpn)) ||
	    (key->from_len && put_from(skb, key)) ||
	    (key->port && nla_put_u32(skb, KPROXY_A_ROUTE_PORT, key->port)))
		return -EMSGSIZE;
	return 0;
}

static int put_route(struct sk_buff *skb, const void *object)
{
	const struct told_route *told = object;

	if (nla_put_string(skb, KPROXY_A_ROUTE_LISTENER,
			   told->listener->obj.name) ||
	    put_key(skb, &told->route->key) ||
	    nla_put_string(skb, KPROXY_A_ROUTE_UPSTREAM,
			   told->route->upstream->obj.name))
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

	lockdep_assert_held(&l->obj.kn->lock);
	kproxy_netlink_notify(l->obj.kn, KPROXY_NLGRP_EVENTS, cmd, put_route, &told,
			      GFP_KERNEL);
}

static int get_sni(const struct genl_info *info, struct kproxy_route_key *key)
{
	const struct nlattr *sni = info->attrs[KPROXY_A_ROUTE_SNI];

	if (!sni || kproxy_route_pattern(key->sni, nla_data(sni)))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, sni,
			    "a server name is letters, digits, - and _ with dots between, perhaps after \"*.\"");
	return -EINVAL;
}

static int get_alpn(const struct genl_info *info, struct kproxy_route_key *key)
{
	const struct nlattr *alpn = info->attrs[KPROXY_A_ROUTE_ALPN];

	if (!alpn)
		return 0;
	strscpy(key->alpn, nla_data(alpn), sizeof(key->alpn));
	if (*key->alpn)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, alpn, "the protocol is empty");
	return -EINVAL;
}

static int get_from(const struct genl_info *info, struct kproxy_route_key *key)
{
	const struct nlattr *from = info->attrs[KPROXY_A_ROUTE_FROM];
	const struct nlattr *prefix = info->attrs[KPROXY_A_ROUTE_FROM_PREFIX];
	unsigned int most, len;
	union kproxy_addr addr;
	int err;

	if (!from && !prefix)
		return 0;
	if (!from) {
		NL_SET_ERR_MSG_ATTR(info->extack, prefix,
				    "a length needs a network");
		return -EINVAL;
	}
	err = kproxy_netlink_get_addr(from, &addr, info->extack);
	if (err)
		return err;
	most = addr.sa.sa_family == AF_INET ? 32 : 128;
	len = prefix ? nla_get_u32(prefix) : most;
	if (addr.sa.sa_family == AF_UNSPEC || kproxy_addr_port(&addr) ||
	    len > most) {
		NL_SET_ERR_MSG_ATTR(info->extack, from,
				    "a network is an address and the length of its prefix");
		return -EINVAL;
	}
	kproxy_route_set_from(key, &addr, len);
	return 0;
}

/* The first attribute of those that tell a route from others. */
static int key_attr(const struct genl_info *info)
{
	static const int attrs[] = {
		KPROXY_A_ROUTE_SNI, KPROXY_A_ROUTE_ALPN, KPROXY_A_ROUTE_FROM,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		if (info->attrs[attrs[i]])
			return attrs[i];
	return KPROXY_A_ROUTE_PORT;
}

/* Read what tells a route from others, and the name of its listener. */
static int get_key(const struct genl_info *info, struct kproxy_route_key *key)
{
	const struct nlattr *port = info->attrs[KPROXY_A_ROUTE_PORT];
	const char *listener;
	int err;

	memset(key, 0, sizeof(*key));
	err = kproxy_netlink_name(info, KPROXY_A_ROUTE_LISTENER, &listener);
	if (!err)
		err = get_sni(info, key);
	if (!err)
		err = get_alpn(info, key);
	if (!err)
		err = get_from(info, key);
	if (err)
		return err;
	if (port)
		key->port = nla_get_u32(port);
	if (*key->sni || *key->alpn || key->from_len || key->port)
		return 0;
	NL_SET_ERR_ATTR_MISS(info->extack, NULL, KPROXY_A_ROUTE_SNI);
	NL_SET_ERR_MSG(info->extack,
		       "a route needs a server name, a protocol, a network or a port");
	return -EINVAL;
}

static int add_route(struct kproxy_view *view, const struct genl_info *info,
		     const struct kproxy_route_key *key)
{
	struct kproxy_upstream *up;
	struct kproxy_listener *l;

	l = kproxy_netlink_find_listener(view->kn, view, info,
					 KPROXY_A_ROUTE_LISTENER);
	if (!l)
		return -ENOENT;
	up = kproxy_netlink_find_upstream(view->kn, view, info,
					  KPROXY_A_ROUTE_UPSTREAM);
	if (!up)
		return -ENOENT;
	return kproxy_route_add(view, l, key, up, info->extack);
}

int kproxy_nl_route_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_route_key key;
	struct kproxy_view *view, own;
	int err;

	err = get_key(info, &key);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KPROXY_A_ROUTE_UPSTREAM))
		return -EINVAL;
	view = kproxy_netlink_begin(info, &own);
	err = add_route(view, info, &key);
	err = kproxy_netlink_end(info, view, key_attr(info), err);
	kproxy_netlink_unlock(view->kn);
	return err;
}

/* The route that a request is about, and its listener. */
static struct kproxy_route *find_route(struct kproxy_net *kn,
				       const struct kproxy_view *view,
				       const struct genl_info *info,
				       const struct kproxy_route_key *key,
				       struct kproxy_listener **l)
{
	struct kproxy_route *route;

	*l = kproxy_netlink_find_listener(kn, view, info,
					  KPROXY_A_ROUTE_LISTENER);
	if (!*l)
		return NULL;
	route = kproxy_route_find(*l, key, view);
	if (!route)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[key_attr(info)],
					"the listener has no route for %s",
					kproxy_route_what(key));
	return route;
}

int kproxy_nl_route_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_route_key key;
	struct kproxy_view *view, own;
	struct kproxy_listener *l;
	struct kproxy_route *route;
	int err;

	err = get_key(info, &key);
	if (err)
		return err;
	view = kproxy_netlink_begin(info, &own);
	route = find_route(view->kn, view, info, &key, &l);
	err = route ? kproxy_route_del(view, l, route, info->extack) : -ENOENT;
	err = kproxy_netlink_end(info, view, 0, err);
	kproxy_netlink_unlock(view->kn);
	return err;
}

int kproxy_nl_route_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_route_key key;
	struct told_route told;
	struct kproxy_listener *l;
	struct kproxy_net *kn;
	int err;

	err = get_key(info, &key);
	if (err)
		return err;
	kn = kproxy_netlink_lock(info);
	told.route = find_route(kn, NULL, info, &key, &l);
	told.listener = l;
	err = told.route ? kproxy_netlink_reply(info, put_route, &told) :
			   -ENOENT;
	kproxy_netlink_unlock(kn);
	return err;
}

/*
 * Where a dump goes on. As long as the configuration has not changed, it is at this
 * place of this listener; otherwise behind the last route of the listener that has
 * the id.
 */
struct route_dump {
	u64 listener;
	u64 changes;
	const struct kproxy_listener *at;
	u32 place;
	struct kproxy_route_key last;
};

struct dump_ctx {
	struct route_dump *dump;
};

int kproxy_nl_route_get_start(struct netlink_callback *cb)
{
	struct dump_ctx *ctx = (void *)cb->ctx;

	ctx->dump = kzalloc(sizeof(*ctx->dump), GFP_KERNEL);
	return ctx->dump ? 0 : -ENOMEM;
}

int kproxy_nl_route_get_done(struct netlink_callback *cb)
{
	struct dump_ctx *ctx = (void *)cb->ctx;

	kfree(ctx->dump);
	return 0;
}

/* Return: how many routes do not come after @last. */
static u32 place_behind(const struct kproxy_routes *routes,
			const struct kproxy_route_key *last)
{
	u32 low = 0, high = routes ? routes->n : 0;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (kproxy_route_compare(&routes->route[middle]->key, last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The routes of one listener that were not dumped yet. */
static int dump_listener(struct sk_buff *skb, struct netlink_callback *cb,
			 const struct kproxy_listener *l,
			 struct route_dump *dump)
{
	const struct kproxy_routes *routes = kproxy_routes(l, NULL);
	int err = 0;

	if (!l->obj.states.now || l->obj.id < dump->listener)
		return 0;
	if (l->obj.id > dump->listener) {
		dump->listener = l->obj.id;
		dump->place = 0;
		memset(&dump->last, 0, sizeof(dump->last));
	} else if (dump->changes != l->obj.kn->changes) {
		dump->place = place_behind(routes, &dump->last);
	}
	dump->at = l;
	while (!err && routes && dump->place < routes->n) {
		const struct told_route told = {
			.listener = l,
			.route = routes->route[dump->place],
		};

		err = kproxy_netlink_dump(skb, cb, put_route, &told);
		if (!err)
			dump->place++;
	}
	if (err && dump->place)
		dump->last = routes->route[dump->place - 1]->key;
	return err;
}

static int dump_routes(struct sk_buff *skb, struct netlink_callback *cb,
		       struct kproxy_net *kn, struct route_dump *dump)
{
	const struct genl_info *info = genl_info_dump(cb);
	const struct kproxy_listener *l;
	int err;

	if (info->attrs[KPROXY_A_ROUTE_LISTENER]) {
		l = kproxy_netlink_find_listener(kn, NULL, info,
						 KPROXY_A_ROUTE_LISTENER);
		return l ? dump_listener(skb, cb, l, dump) : -ENOENT;
	}
	if (dump->changes == kn->changes && dump->at)
		l = dump->at;
	else
		l = list_first_entry(&kn->listeners,
				     const struct kproxy_listener, obj.node);
	list_for_each_entry_from(l, &kn->listeners, obj.node) {
		err = dump_listener(skb, cb, l, dump);
		if (err)
			return err;
	}
	return 0;
}

int kproxy_nl_route_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_dump_lock(cb);
	struct dump_ctx *ctx = (void *)cb->ctx;
	int err;

	err = dump_routes(skb, cb, kn, ctx->dump);
	ctx->dump->changes = kn->changes;
	kproxy_netlink_unlock(kn);
	return err;
}
