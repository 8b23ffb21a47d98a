// SPDX-License-Identifier: GPL-2.0
/*
 * Requests about servers, and events. A request runs in process context under the
 * configuration lock; an event about a server's health is sent in any.
 */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "netlink.h"
#include "netlink-gen.h"
#include "netns.h"
#include "root.h"
#include "server.h"
#include "server-change.h"
#include "session-table.h"
#include "upstream.h"

/* Omitted if the server never had any. */
static int put_preconnect(struct sk_buff *skb,
			  const struct kproxy_server *server)
{
	struct kproxy_preconnect_stats sum;
	struct nlattr *nest;

	kproxy_preconnect_sum(server, &sum);
	if (!server->upstream->options.preconnect && !sum.ready && !sum.used &&
	    !sum.missed)
		return 0;
	nest = nla_nest_start(skb, KPROXY_A_SERVER_PRECONNECT);
	if (!nest || nla_put_u32(skb, KPROXY_A_PRECONNECT_READY, sum.ready) ||
	    nla_put_uint(skb, KPROXY_A_PRECONNECT_USED, sum.used) ||
	    nla_put_uint(skb, KPROXY_A_PRECONNECT_MISSED, sum.missed))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Omitted if nothing was counted. */
static int put_histogram(struct sk_buff *skb, int attr,
			 const struct kproxy_server *server,
			 enum kproxy_time_kind kind)
{
	struct kproxy_histogram sum;
	struct nlattr *nest;
	int i;

	if (!kproxy_histograms_sum(server->histograms, kind, &sum))
		return 0;
	nest = nla_nest_start(skb, attr);
	if (!nest || nla_put_uint(skb, KPROXY_A_HISTOGRAM_SUM_US, sum.sum_us))
		return -EMSGSIZE;
	for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS; i++)
		if (nla_put_uint(skb, KPROXY_A_HISTOGRAM_BUCKET,
				 sum.buckets[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_server_name(struct sk_buff *skb,
			   const struct kproxy_server *server)
{
	char name[KPROXY_NAME_MAX + 1];

	kproxy_server_get_name(server, name);
	return *name ? nla_put_string(skb, KPROXY_A_SERVER_NAME, name) : 0;
}

/* An ejection also has its reason and its end. */
static int put_server_health(struct sk_buff *skb,
			     const struct kproxy_server *server)
{
	enum kproxy_health health = kproxy_health_get(server);

	if (nla_put_u32(skb, KPROXY_A_SERVER_HEALTH, health))
		return -EMSGSIZE;
	if (health != KPROXY_HEALTH_EJECTED)
		return 0;
	if (nla_put_u32(skb, KPROXY_A_SERVER_FAILURES,
			READ_ONCE(server->health.ejected)) ||
	    nla_put_u32(skb, KPROXY_A_SERVER_EJECT_LEFT_MS,
			kproxy_health_ejected_ms(server)))
		return -EMSGSIZE;
	return 0;
}

static int put_server(struct sk_buff *skb, const void *object)
{
	const struct kproxy_server *server = object;
	struct kproxy_stats sum;

	if (nla_put_string(skb, KPROXY_A_SERVER_UPSTREAM,
			   server->upstream->obj.name) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SERVER_ADDRESS,
				    &server->addr) ||
	    kproxy_netlink_put_options(skb, kproxy_server_numbers,
				       &server->options) ||
	    put_server_health(skb, server) ||
	    put_server_name(skb, server) ||
	    put_preconnect(skb, server) ||
	    put_histogram(skb, KPROXY_A_SERVER_CONNECT_TIME, server,
			  KPROXY_TIME_CONNECT) ||
	    put_histogram(skb, KPROXY_A_SERVER_SESSION_TIME, server,
			  KPROXY_TIME_SESSION))
		return -EMSGSIZE;
	kproxy_stats_sum(server->stats, &sum);
	return kproxy_netlink_put_counters(skb, KPROXY_A_SERVER_STATS, &sum,
					   atomic_read(&server->sessions));
}

static int put_health(struct sk_buff *skb, const void *object)
{
	const struct kproxy_server *server = object;

	if (nla_put_string(skb, KPROXY_A_SERVER_UPSTREAM,
			   server->upstream->obj.name) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SERVER_ADDRESS,
				    &server->addr) ||
	    put_server_name(skb, server) || put_server_health(skb, server))
		return -EMSGSIZE;
	return 0;
}

/**
 * kproxy_netlink_server_health() - send an event about a server's health
 * @server: the server, whose namespace is not being torn down
 *
 * Context: any.
 */
void kproxy_netlink_server_health(const struct kproxy_server *server)
{
	kproxy_netlink_notify(server->upstream->obj.kn, KPROXY_NLGRP_EVENTS,
			      KPROXY_CMD_SERVER_HEALTH, put_health, server,
			      GFP_ATOMIC);
}

/**
 * kproxy_netlink_server_event() - send an event about a server
 * @server: the server, its namespace's configuration lock held
 * @cmd: KPROXY_CMD_SERVER_*_NTF
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_server_event(const struct kproxy_server *server, u8 cmd)
{
	lockdep_assert_held(&server->upstream->obj.kn->lock);
	kproxy_netlink_notify(server->upstream->obj.kn, KPROXY_NLGRP_EVENTS, cmd,
			      put_server, server, GFP_KERNEL);
}

/* Whether it is set up by hand, so that it may have its sessions back. */
static bool sets_up(const struct genl_info *info)
{
	const struct nlattr *state = info->attrs[KPROXY_A_SERVER_STATE];
	const struct nlattr *health = info->attrs[KPROXY_A_SERVER_HEALTH_SET];

	return (state && nla_get_u32(state) == KPROXY_SERVER_STATE_UP) ||
	       (health && nla_get_u32(health) == KPROXY_HEALTH_SET_UP);
}

/* An empty name takes away the one that it had. */
static int get_server_name(const struct genl_info *info, char *name)
{
	const struct nlattr *nla = info->attrs[KPROXY_A_SERVER_NAME];
	const char *text;
	int err;

	if (!nla)
		return 0;
	if (*(const char *)nla_data(nla)) {
		err = kproxy_netlink_name(info, KPROXY_A_SERVER_NAME, &text);
		if (err)
			return err;
	}
	strscpy(name, nla_data(nla), KPROXY_NAME_MAX + 1);
	return 0;
}

static int get_server_options(const struct genl_info *info,
			      struct kproxy_server_options *options)
{
	kproxy_netlink_get_options(info, kproxy_server_numbers, options);
	options->restore = sets_up(info);
	return get_server_name(info, options->name);
}

/* Read the names in a request about one server. */
static int get_server(const struct genl_info *info, union kproxy_addr *addr)
{
	const char *name;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_SERVER_UPSTREAM, &name);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KPROXY_A_SERVER_ADDRESS))
		return -EINVAL;
	return kproxy_netlink_get_addr(info->attrs[KPROXY_A_SERVER_ADDRESS],
				       addr, info->extack);
}

static struct kproxy_server *find_server(struct kproxy_net *kn,
					 const struct kproxy_view *view,
					 const struct genl_info *info,
					 const union kproxy_addr *addr)
{
	struct kproxy_upstream *up =
		kproxy_netlink_find_upstream(kn, view, info,
					     KPROXY_A_SERVER_UPSTREAM);
	struct kproxy_server *server;

	if (!up)
		return NULL;
	server = kproxy_server_find(up, addr, view);
	if (!server)
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[KPROXY_A_SERVER_ADDRESS],
				    "the upstream has no such server");
	return server;
}

static int add_server(struct kproxy_view *view, const struct genl_info *info,
		      const union kproxy_addr *addr)
{
	struct kproxy_server_options options = {};
	struct kproxy_upstream *up;
	int err;

	up = kproxy_netlink_find_upstream(view->kn, view, info,
					  KPROXY_A_SERVER_UPSTREAM);
	if (!up)
		return -ENOENT;
	kproxy_options_init(kproxy_server_numbers, &options);
	err = get_server_options(info, &options);
	if (err)
		return err;
	return kproxy_server_add(view, up, addr, &options, info->extack);
}

int kproxy_nl_server_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_view *view, own;
	union kproxy_addr addr;
	int err;

	err = get_server(info, &addr);
	if (err)
		return err;
	if (!kproxy_addr_connectable(&addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[KPROXY_A_SERVER_ADDRESS],
				    "cannot connect to this address");
		return -EINVAL;
	}
	view = kproxy_netlink_begin(info, &own);
	err = add_server(view, info, &addr);
	err = kproxy_netlink_end(info, view, KPROXY_A_SERVER_ADDRESS, err);
	kproxy_netlink_unlock(view->kn);
	return err;
}

/* What a request makes of a server that exists. */
typedef int (*server_change)(struct kproxy_view *view,
			     struct kproxy_server *server,
			     struct genl_info *info);

static int change_server(struct genl_info *info, server_change change)
{
	struct kproxy_view *view, own;
	struct kproxy_server *server;
	union kproxy_addr addr;
	int err;

	err = get_server(info, &addr);
	if (err)
		return err;
	view = kproxy_netlink_begin(info, &own);
	server = find_server(view->kn, view, info, &addr);
	err = server ? change(view, server, info) : -ENOENT;
	err = kproxy_netlink_end(info, view, 0, err);
	kproxy_netlink_unlock(view->kn);
	return err;
}

static int set_server(struct kproxy_view *view, struct kproxy_server *server,
		      struct genl_info *info)
{
	struct kproxy_server_options options = server->options;
	int err;

	err = get_server_options(info, &options);
	if (err)
		return err;
	return kproxy_server_set(view, server, &options, info->extack);
}

int kproxy_nl_server_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_server(info, set_server);
}

static int del_server(struct kproxy_view *view, struct kproxy_server *server,
		      struct genl_info *info)
{
	return kproxy_server_del(view, server, info->extack);
}

int kproxy_nl_server_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_server(info, del_server);
}

int kproxy_nl_server_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_server *server;
	union kproxy_addr addr;
	struct kproxy_net *kn;
	int err;

	kproxy_session_count_stalls(kproxy_net(genl_info_net(info)));
	err = get_server(info, &addr);
	if (err)
		return err;
	kn = kproxy_netlink_lock(info);
	server = find_server(kn, NULL, info, &addr);
	err = server ? kproxy_netlink_reply(info, put_server, server) : -ENOENT;
	kproxy_netlink_unlock(kn);
	return err;
}

/*
 * Where a dump resumes: after this server of this upstream. The pointers are
 * valid as long as the configuration has not changed.
 */
struct dump_ctx {
	u64 upstream;
	u64 server;
	u64 changes;
	const struct kproxy_upstream *up;
	const struct kproxy_server *last;
};

static void dump_resume(struct dump_ctx *ctx, const struct kproxy_net *kn)
{
	BUILD_BUG_ON(sizeof(*ctx) > sizeof_field(struct netlink_callback, ctx));
	if (ctx->changes == kn->changes)
		return;
	ctx->changes = kn->changes;
	ctx->up = NULL;
	ctx->last = NULL;
}

/* The servers of one upstream that were not dumped yet. */
static int dump_upstream(struct sk_buff *skb, struct netlink_callback *cb,
			 const struct kproxy_upstream *up, struct dump_ctx *ctx)
{
	const struct kproxy_server *server;
	int err;

	if (!up->obj.states.now || up->obj.id < ctx->upstream)
		return 0;
	if (up->obj.id > ctx->upstream) {
		ctx->upstream = up->obj.id;
		ctx->server = 0;
		ctx->last = NULL;
	}
	ctx->up = up;
	server = list_prepare_entry(ctx->last, &up->servers, node);
	list_for_each_entry_continue(server, &up->servers, node) {
		if (!server->states.now || server->id <= ctx->server)
			continue;
		err = kproxy_netlink_dump(skb, cb, put_server, server);
		if (err)
			return err;
		ctx->server = server->id;
		ctx->last = server;
	}
	return 0;
}

static int dump_servers(struct sk_buff *skb, struct netlink_callback *cb,
			struct kproxy_net *kn, struct dump_ctx *ctx)
{
	const struct genl_info *info = genl_info_dump(cb);
	const struct kproxy_upstream *up;
	int err;

	dump_resume(ctx, kn);
	if (info->attrs[KPROXY_A_SERVER_UPSTREAM]) {
		up = kproxy_netlink_find_upstream(kn, NULL, info,
						  KPROXY_A_SERVER_UPSTREAM);
		return up ? dump_upstream(skb, cb, up, ctx) : -ENOENT;
	}
	up = ctx->up ?: list_first_entry(&kn->upstreams,
					 const struct kproxy_upstream,
					 obj.node);
	list_for_each_entry_from(up, &kn->upstreams, obj.node) {
		err = dump_upstream(skb, cb, up, ctx);
		if (err)
			return err;
	}
	return 0;
}

int kproxy_nl_server_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	struct dump_ctx *ctx = (void *)cb->ctx;
	struct kproxy_net *kn;
	int err;

	/* Once per dump, not once per part. */
	if (!ctx->upstream)
		kproxy_session_count_stalls(kproxy_net(genl_info_net(genl_info_dump(cb))));
	kn = kproxy_netlink_dump_lock(cb);
	err = dump_servers(skb, cb, kn, ctx);
	kproxy_netlink_unlock(kn);
	return err;
}
