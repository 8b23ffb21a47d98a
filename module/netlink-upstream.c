// SPDX-License-Identifier: GPL-2.0
/* Requests about upstreams, and events. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "check-text.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netns.h"
#include "root.h"
#include "upstream.h"
#include "upstream-change.h"

/**
 * kproxy_netlink_find_upstream() - the upstream that a request names
 * @kn: the namespace's root, its lock held
 * @view: the view to look in, or NULL
 * @info: the request
 * @attr: the attribute with the name, which is there
 *
 * Return: the upstream, not held; NULL, with reason and attribute in the extended
 * ack, if there is none.
 */
struct kproxy_upstream *
kproxy_netlink_find_upstream(struct kproxy_net *kn,
			     const struct kproxy_view *view,
			     const struct genl_info *info, int attr)
{
	struct kproxy_upstream *up =
		kproxy_upstream_find(kn, nla_data(info->attrs[attr]), view);

	if (!up)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
				    "no such upstream");
	return up;
}

/* An idle connection has no client yet whose address it could use. */
static int check_upstream_options(const struct genl_info *info,
				  const struct kproxy_upstream_options *options)
{
	if (!options->preconnect ||
	    options->source.mode != KPROXY_SOURCE_CLIENT)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack,
			    info->attrs[KPROXY_A_UPSTREAM_PRECONNECT] ?:
			    info->attrs[KPROXY_A_UPSTREAM_SOURCE],
			    "preconnect and source client cannot be combined: there is no client yet");
	return -EINVAL;
}

static int get_upstream_options(const struct genl_info *info,
				struct kproxy_upstream_options *options)
{
	int err;

	kproxy_netlink_get_options(info, kproxy_upstream_numbers, options);
	err = kproxy_netlink_get_check(info, options);
	if (!err)
		err = kproxy_netlink_get_source(info, &options->source);
	if (!err)
		err = check_upstream_options(info, options);
	if (err)
		return err;
	return kproxy_netlink_get_sockopts(info, KPROXY_SOCKOPTS_CONNECT,
					   &options->sockopts);
}

static int put_upstream(struct sk_buff *skb, const void *object)
{
	const struct kproxy_upstream *up = object;
	const struct kproxy_upstream_options *options = &up->options;

	if (nla_put_string(skb, KPROXY_A_UPSTREAM_NAME, up->obj.name) ||
	    kproxy_netlink_put_options(skb, kproxy_upstream_numbers, options) ||
	    kproxy_netlink_put_check(skb, options->check_text) ||
	    kproxy_netlink_put_source(skb, &options->source))
		return -EMSGSIZE;
	return kproxy_netlink_put_sockopts(skb, KPROXY_SOCKOPTS_CONNECT,
					   &options->sockopts);
}

/**
 * kproxy_netlink_upstream_event() - send an event about an upstream
 * @up: the upstream, its namespace's configuration lock held, so that events
 *	are sent in the order of the changes
 * @cmd: KPROXY_CMD_UPSTREAM_*_NTF
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_upstream_event(const struct kproxy_upstream *up, u8 cmd)
{
	lockdep_assert_held(&up->obj.kn->lock);
	kproxy_netlink_notify(up->obj.kn, KPROXY_NLGRP_EVENTS, cmd, put_upstream,
			      up, GFP_KERNEL);
}

int kproxy_nl_upstream_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_upstream_options options;
	struct kproxy_view *view, own;
	const char *name;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_UPSTREAM_NAME, &name);
	if (err)
		return err;
	kproxy_upstream_options_init(&options);
	err = get_upstream_options(info, &options);
	if (err)
		goto out;
	view = kproxy_netlink_begin(info, &own);
	err = kproxy_net_setup(view->kn) ?:
	      kproxy_upstream_add(view, name, &options, info->extack);
	err = kproxy_netlink_end(info, view, KPROXY_A_UPSTREAM_NAME, err);
	kproxy_netlink_unlock(view->kn);
out:
	kproxy_check_text_put(options.check_text);
	return err;
}

/* What a request makes of an upstream that exists. */
typedef int (*upstream_change)(struct kproxy_view *view,
			       struct kproxy_upstream *up,
			       struct genl_info *info);

static int change_upstream(struct genl_info *info, upstream_change change,
			   int attr)
{
	struct kproxy_view *view, own;
	struct kproxy_upstream *up;
	const char *name;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_UPSTREAM_NAME, &name);
	if (err)
		return err;
	view = kproxy_netlink_begin(info, &own);
	up = kproxy_netlink_find_upstream(view->kn, view, info,
					  KPROXY_A_UPSTREAM_NAME);
	err = up ? change(view, up, info) : -ENOENT;
	err = kproxy_netlink_end(info, view, attr, err);
	kproxy_netlink_unlock(view->kn);
	return err;
}

static int set_upstream(struct kproxy_view *view, struct kproxy_upstream *up,
			struct genl_info *info)
{
	struct kproxy_upstream_options options = up->options;
	int err;

	kproxy_check_text_hold(options.check_text);
	err = get_upstream_options(info, &options);
	if (!err)
		err = kproxy_upstream_set(view, up, &options, info->extack);
	kproxy_check_text_put(options.check_text);
	return err;
}

int kproxy_nl_upstream_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_upstream(info, set_upstream, 0);
}

static int del_upstream(struct kproxy_view *view, struct kproxy_upstream *up,
			struct genl_info *info)
{
	return kproxy_upstream_del(view, up, info->extack);
}

int kproxy_nl_upstream_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_upstream(info, del_upstream, KPROXY_A_UPSTREAM_NAME);
}

int kproxy_nl_upstream_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_upstream *up;
	struct kproxy_net *kn;
	const char *name;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_UPSTREAM_NAME, &name);
	if (err)
		return err;
	kn = kproxy_netlink_lock(info);
	up = kproxy_netlink_find_upstream(kn, NULL, info,
					  KPROXY_A_UPSTREAM_NAME);
	err = up ? kproxy_netlink_reply(info, put_upstream, up) : -ENOENT;
	kproxy_netlink_unlock(kn);
	return err;
}

/*
 * Where a dump resumes: after the upstream with the id @last. @at points to it
 * as long as the configuration has not changed.
 */
struct dump_ctx {
	u64 last;
	u64 changes;
	const struct kproxy_upstream *at;
};

int kproxy_nl_upstream_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_dump_lock(cb);
	struct dump_ctx *ctx = (void *)cb->ctx;
	const struct kproxy_upstream *up;
	int err = 0;

	if (ctx->changes != kn->changes)
		ctx->at = NULL;
	ctx->changes = kn->changes;
	up = list_prepare_entry(ctx->at, &kn->upstreams, obj.node);
	list_for_each_entry_continue(up, &kn->upstreams, obj.node) {
		if (!up->obj.states.now || up->obj.id <= ctx->last)
			continue;
		err = kproxy_netlink_dump(skb, cb, put_upstream, up);
		if (err)
			break;
		ctx->last = up->obj.id;
		ctx->at = up;
	}
	kproxy_netlink_unlock(kn);
	return err;
}
