// SPDX-License-Identifier: GPL-2.0
/* Requests about listeners. */
#include <linux/slab.h>
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "listener.h"
#include "listener-change.h"
#include "listen-sock.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netlink-prefixes.h"
#include "root.h"
#include "session-table.h"
#include "upstream.h"

/* Default deadline of a drain without a rate and a deadline, in ms. */
#define DRAIN_DEADLINE (60 * MSEC_PER_SEC)

/*
 * Read the options of a request. @options hold the present ones. Their list of
 * networks may be replaced by a new one, which the caller owns; not on error.
 */
static int get_listener_options(const struct genl_info *info,
				struct kproxy_listener_options *options)
{
	struct kproxy_prefixes *prefixes;
	int err;

	kproxy_netlink_get_options(info, kproxy_listener_numbers, options);
	err = kproxy_netlink_get_sockopts(info, KPROXY_SOCKOPTS_LISTEN,
					  &options->sockopts);
	if (err)
		return err;
	/* Under the configuration lock, or not yet in use. */
	prefixes = rcu_dereference_protected(options->prefixes, true);
	err = kproxy_netlink_get_prefixes(info, prefixes, &prefixes);
	if (err)
		return err;
	RCU_INIT_POINTER(options->prefixes, prefixes);
	return 0;
}

static int
put_listener_options(struct sk_buff *skb,
		     const struct kproxy_listener_options *options)
{
	if (kproxy_netlink_put_options(skb, kproxy_listener_numbers, options))
		return -EMSGSIZE;
	/* Under the configuration lock. */
	if (kproxy_netlink_put_prefixes(skb,
					rcu_dereference_protected(options->prefixes,
								  true)))
		return -EMSGSIZE;
	return kproxy_netlink_put_sockopts(skb, KPROXY_SOCKOPTS_LISTEN,
					   &options->sockopts);
}

static int put_listener(struct sk_buff *skb, const void *object)
{
	const struct kproxy_listener *l = object;
	struct kproxy_stats sum;
	unsigned int i;

	if (nla_put_string(skb, KPROXY_A_LISTENER_NAME, l->obj.name) ||
	    nla_put_string(skb, KPROXY_A_LISTENER_UPSTREAM,
			   kproxy_listener_configured_upstream(l)->obj.name))
		return -EMSGSIZE;
	for (i = 0; i < l->nr_lsocks; i++)
		if (kproxy_netlink_put_addr(skb, KPROXY_A_LISTENER_ADDRESS,
					    &l->lsocks[i].addr) ||
		    (kproxy_lsock_dead(&l->lsocks[i]) &&
		     kproxy_netlink_put_addr(skb, KPROXY_A_LISTENER_DEAD,
					     &l->lsocks[i].addr)))
			return -EMSGSIZE;
	if (put_listener_options(skb, &l->options))
		return -EMSGSIZE;
	kproxy_stats_sum(l->stats, &sum);
	return kproxy_netlink_put_counters(skb, KPROXY_A_LISTENER_STATS, &sum,
					   atomic_read(&l->obj.sessions));
}

/**
 * kproxy_netlink_find_listener() - the listener that a request names
 * @kn: the namespace's root, its lock held
 * @view: the view to look in, or NULL
 * @info: the request
 * @attr: the attribute with the name, which is there
 *
 * Return: the listener, not held; NULL, with reason and attribute in the extended
 * ack, if there is none.
 */
struct kproxy_listener *
kproxy_netlink_find_listener(struct kproxy_net *kn,
			     const struct kproxy_view *view,
			     const struct genl_info *info, int attr)
{
	struct kproxy_listener *l;

	l = kproxy_listener_find(kn, nla_data(info->attrs[attr]), view);
	if (!l)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
				    "no such listener");
	return l;
}

/* The addresses of a request: how many, or -errno. */
static int get_addrs(const struct genl_info *info, union kproxy_addr *addrs)
{
	struct netlink_ext_ack *extack = info->extack;
	const struct nlattr *attr;
	int rem, err, n = 0;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != KPROXY_A_LISTENER_ADDRESS)
			continue;
		if (n == KPROXY_ADDRESSES_MAX) {
			NL_SET_ERR_MSG_ATTR_FMT(extack, attr,
						"a listener has at most %u addresses",
						KPROXY_ADDRESSES_MAX);
			return -E2BIG;
		}
		err = kproxy_netlink_get_next_addr(attr, addrs, n, extack);
		if (err)
			return err;
		if (!kproxy_addr_port(&addrs[n])) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "an address needs a port");
			return -EINVAL;
		}
		n++;
	}
	return n;
}

/**
 * kproxy_netlink_listener_event() - send an event about a listener
 * @l: the listener, its namespace's configuration lock held
 * @cmd: KPROXY_CMD_LISTENER_*_NTF
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_listener_event(const struct kproxy_listener *l, u8 cmd)
{
	lockdep_assert_held(&l->obj.kn->lock);
	kproxy_netlink_notify(l->obj.kn, KPROXY_NLGRP_EVENTS, cmd, put_listener, l,
			      GFP_KERNEL);
}

/* Point at the address that was refused, if one was. */
static void blame_address(const struct genl_info *info, unsigned int bad)
{
	const struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (nla_type(attr) == KPROXY_A_LISTENER_ADDRESS && !bad--)
			NL_SET_BAD_ATTR(info->extack, attr);
}

static int add_listener(struct kproxy_view *view, const struct genl_info *info,
			const char *name, const union kproxy_addr *addrs, int n)
{
	struct kproxy_listener_options options;
	struct kproxy_upstream *up;
	int err;

	up = kproxy_netlink_find_upstream(view->kn, view, info,
					  KPROXY_A_LISTENER_UPSTREAM);
	if (!up)
		return -ENOENT;
	kproxy_listener_options_init(&options);
	err = get_listener_options(info, &options);
	if (err)
		return err;
	return kproxy_listener_add(view, name, addrs, n, up, &options,
				   info->extack);
}

int kproxy_nl_listener_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_view *view, own;
	union kproxy_addr *addrs;
	const char *name;
	int n, err;

	err = kproxy_netlink_name(info, KPROXY_A_LISTENER_NAME, &name);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KPROXY_A_LISTENER_ADDRESS) ||
	    GENL_REQ_ATTR_CHECK(info, KPROXY_A_LISTENER_UPSTREAM))
		return -EINVAL;
	addrs = kmalloc_array(KPROXY_ADDRESSES_MAX, sizeof(*addrs), GFP_KERNEL);
	if (!addrs)
		return -ENOMEM;
	n = get_addrs(info, addrs);
	if (n > 0) {
		view = kproxy_netlink_begin(info, &own);
		err = add_listener(view, info, name, addrs, n);
		err = kproxy_netlink_end(info, view, KPROXY_A_LISTENER_NAME,
					 err);
		if (err)
			blame_address(info, view->bad);
		kproxy_netlink_unlock(view->kn);
	} else {
		err = n;
	}
	kfree(addrs);
	return err;
}

/* What a request makes of a listener that exists. */
typedef int (*listener_change)(struct kproxy_view *view,
			       struct kproxy_listener *l,
			       struct genl_info *info);

static int change_listener(struct genl_info *info, listener_change change)
{
	struct kproxy_view *view, own;
	struct kproxy_listener *l;
	const char *name;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_LISTENER_NAME, &name);
	if (err)
		return err;
	view = kproxy_netlink_begin(info, &own);
	l = kproxy_netlink_find_listener(view->kn, view, info,
					 KPROXY_A_LISTENER_NAME);
	err = l ? change(view, l, info) : -ENOENT;
	err = kproxy_netlink_end(info, view, 0, err);
	if (err)
		blame_address(info, view->bad);
	kproxy_netlink_unlock(view->kn);
	return err;
}

/* Its addresses, of which a request may have none, are in @addrs. */
static int set_listener_to(struct kproxy_view *view, struct kproxy_listener *l,
			   struct genl_info *info,
			   union kproxy_addr *addrs)
{
	struct kproxy_listener_options options = l->options;
	struct kproxy_upstream *up = kproxy_listener_configured_upstream(l);
	int n, err;

	if (info->attrs[KPROXY_A_LISTENER_UPSTREAM]) {
		up = kproxy_netlink_find_upstream(view->kn, view, info,
						  KPROXY_A_LISTENER_UPSTREAM);
		if (!up)
			return -ENOENT;
	}
	n = get_addrs(info, addrs);
	if (n < 0)
		return n;
	err = get_listener_options(info, &options);
	if (err)
		return err;
	return kproxy_listener_set(view, l, addrs, n, up, &options,
				   info->extack);
}

static int set_listener(struct kproxy_view *view, struct kproxy_listener *l,
			struct genl_info *info)
{
	union kproxy_addr *addrs;
	int err;

	addrs = kmalloc_array(KPROXY_ADDRESSES_MAX, sizeof(*addrs), GFP_KERNEL);
	if (!addrs)
		return -ENOMEM;
	err = set_listener_to(view, l, info, addrs);
	kfree(addrs);
	return err;
}

int kproxy_nl_listener_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_listener(info, set_listener);
}

static int del_listener(struct kproxy_view *view, struct kproxy_listener *l,
			struct genl_info *info)
{
	return kproxy_listener_del(view, l, info->attrs[KPROXY_A_LISTENER_KILL],
				   info->extack);
}

int kproxy_nl_listener_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_listener(info, del_listener);
}

/* What a request wants to be done to a listener at once, or to know of it. */
typedef int (*listener_act)(struct kproxy_listener *l, struct genl_info *info);

static int on_listener(struct genl_info *info, listener_act act)
{
	struct kproxy_listener *l;
	struct kproxy_net *kn;
	const char *name;
	int err;

	err = kproxy_netlink_name(info, KPROXY_A_LISTENER_NAME, &name);
	if (err)
		return err;
	kn = kproxy_netlink_lock(info);
	l = kproxy_netlink_find_listener(kn, NULL, info,
					 KPROXY_A_LISTENER_NAME);
	err = l ? act(l, info) : -ENOENT;
	kproxy_netlink_unlock(kn);
	return err;
}

static int drain_listener(struct kproxy_listener *l, struct genl_info *info)
{
	const struct nlattr *rate = info->attrs[KPROXY_A_LISTENER_DRAIN_RATE];
	const struct nlattr *deadline =
		info->attrs[KPROXY_A_LISTENER_DRAIN_DEADLINE];
	unsigned int ms = rate ? 0 : DRAIN_DEADLINE;

	if (deadline)
		ms = nla_get_u32(deadline);
	kproxy_listener_drain(l, rate ? nla_get_u32(rate) : 0, ms);
	return 0;
}

int kproxy_nl_listener_drain_doit(struct sk_buff *skb, struct genl_info *info)
{
	return on_listener(info, drain_listener);
}

static int reply_listener(struct kproxy_listener *l, struct genl_info *info)
{
	return kproxy_netlink_reply(info, put_listener, l);
}

int kproxy_nl_listener_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	kproxy_session_count_stalls(kproxy_net(genl_info_net(info)));
	return on_listener(info, reply_listener);
}

/*
 * Where a dump resumes: after the listener with the id @last. @at points to it
 * as long as the configuration has not changed.
 */
struct dump_ctx {
	u64 last;
	u64 changes;
	const struct kproxy_listener *at;
};

/* With up to this many addresses, all dead, it fits into any message. */
#define SMALL_LSOCKS 16

/* Size the messages for the largest listener: a small read gets few of them. */
int kproxy_nl_listener_get_start(struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_dump_lock(cb);
	const struct kproxy_listener *l;

	list_for_each_entry(l, &kn->listeners, obj.node)
		if (rcu_access_pointer(l->options.prefixes) ||
		    l->nr_lsocks > SMALL_LSOCKS)
			cb->min_dump_alloc = KPROXY_NETLINK_OBJECT_MAX;
	kproxy_netlink_unlock(kn);
	kproxy_session_count_stalls(kn);
	return kproxy_nl_bare_start(cb);
}

int kproxy_nl_listener_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_dump_lock(cb);
	struct dump_ctx *ctx = (void *)cb->ctx;
	const struct kproxy_listener *l;
	int err = 0;

	if (ctx->changes != kn->changes)
		ctx->at = NULL;
	ctx->changes = kn->changes;
	l = list_prepare_entry(ctx->at, &kn->listeners, obj.node);
	list_for_each_entry_continue(l, &kn->listeners, obj.node) {
		if (!l->obj.states.now || l->obj.id <= ctx->last)
			continue;
		err = kproxy_netlink_dump(skb, cb, put_listener, l);
		if (err)
			break;
		ctx->last = l->obj.id;
		ctx->at = l;
	}
	kproxy_netlink_unlock(kn);
	return err;
}
