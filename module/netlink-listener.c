// SPDX-License-Identifier: GPL-2.0
/* Requests about listeners. */
#include <linux/slab.h>
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "listener.h"
#include "listener-port.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netlink-prefixes.h"
#include "netns.h"
#include "session-table.h"
#include "upstream.h"

/* Default deadline of a drain without a rate and a deadline, in ms. */
#define DRAIN_DEADLINE (60 * MSEC_PER_SEC)

/* Options that are plain numbers: attribute, and offset in the struct. */
static const struct {
	int attr;
	size_t offset;
} numbers[] = {
	{ KPROXY_A_LISTENER_MAXCONN,
	  offsetof(struct kproxy_listener_options, maxconn) },
	{ KPROXY_A_LISTENER_BACKLOG,
	  offsetof(struct kproxy_listener_options, backlog) },
	{ KPROXY_A_LISTENER_CONNECT_TIMEOUT,
	  offsetof(struct kproxy_listener_options, connect_timeout) },
	{ KPROXY_A_LISTENER_IDLE_TIMEOUT,
	  offsetof(struct kproxy_listener_options, idle_timeout) },
	{ KPROXY_A_LISTENER_FIN_TIMEOUT,
	  offsetof(struct kproxy_listener_options, fin_timeout) },
	{ KPROXY_A_LISTENER_MAX_AGE,
	  offsetof(struct kproxy_listener_options, max_age) },
	{ KPROXY_A_LISTENER_RATE,
	  offsetof(struct kproxy_listener_options, rate) },
	{ KPROXY_A_LISTENER_CLIENT_MAXCONN,
	  offsetof(struct kproxy_listener_options, client_maxconn) },
	{ KPROXY_A_LISTENER_CLIENT_RATE,
	  offsetof(struct kproxy_listener_options, client_rate) },
	{ KPROXY_A_LISTENER_ACCEPT_PROXY,
	  offsetof(struct kproxy_listener_options, accept_proxy) },
	{ KPROXY_A_LISTENER_TRANSPARENT,
	  offsetof(struct kproxy_listener_options, transparent) },
};

/*
 * Read the options of a request. @options hold the present ones. Their list of
 * networks may be replaced by a new one, which the caller owns; not on error.
 */
static int get_listener_options(const struct genl_info *info,
				struct kproxy_listener_options *options)
{
	struct kproxy_prefixes *prefixes;
	int i, err;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct nlattr *attr = info->attrs[numbers[i].attr];

		if (attr)
			*(unsigned int *)((void *)options + numbers[i].offset) =
				nla_get_u32(attr);
	}
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
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (nla_put_u32(skb, numbers[i].attr,
				*(const unsigned int *)((const void *)options +
							numbers[i].offset)))
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

	if (nla_put_string(skb, KPROXY_A_LISTENER_NAME, l->name) ||
	    nla_put_string(skb, KPROXY_A_LISTENER_UPSTREAM, l->upstream->name))
		return -EMSGSIZE;
	for (i = 0; i < l->nr_ports; i++)
		if (kproxy_netlink_put_addr(skb, KPROXY_A_LISTENER_ADDRESS,
					    &l->ports[i].addr) ||
		    (kproxy_port_dead(&l->ports[i]) &&
		     kproxy_netlink_put_addr(skb, KPROXY_A_LISTENER_DEAD,
					     &l->ports[i].addr)))
			return -EMSGSIZE;
	if (put_listener_options(skb, &l->options))
		return -EMSGSIZE;
	kproxy_stats_sum(l->stats, &sum);
	return kproxy_netlink_put_counters(skb, KPROXY_A_LISTENER_STATS, &sum,
					   atomic_read(&l->sessions));
}

static struct kproxy_listener *find_listener(struct kproxy_net *kn,
					     const struct genl_info *info,
					     const char *name)
{
	struct kproxy_listener *l = kproxy_listener_find(kn, name);

	if (!l)
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[KPROXY_A_LISTENER_NAME],
				    "no such listener");
	return l;
}

static struct kproxy_upstream *find_upstream(struct kproxy_net *kn,
					     const struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[KPROXY_A_LISTENER_UPSTREAM];
	struct kproxy_upstream *up = kproxy_upstream_find(kn, nla_data(attr));

	if (!up)
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such upstream");
	return up;
}

static bool addr_known(const union kproxy_addr *addrs, unsigned int n,
		       const union kproxy_addr *addr)
{
	while (n--)
		if (kproxy_addr_equal(&addrs[n], addr))
			return true;
	return false;
}

/* Read a request's addresses and their attributes: how many, or -errno. */
static int get_addrs(const struct genl_info *info, union kproxy_addr *addrs,
		     const struct nlattr **attrs)
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
		err = kproxy_netlink_get_addr(attr, &addrs[n], extack);
		if (err)
			return err;
		if (!kproxy_addr_port(&addrs[n])) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "an address needs a port");
			return -EINVAL;
		}
		if (addr_known(addrs, n, &addrs[n])) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "the address stands here twice");
			return -EINVAL;
		}
		attrs[n++] = attr;
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
	lockdep_assert_held(&l->kn->lock);
	kproxy_netlink_notify(l->kn, KPROXY_NLGRP_EVENTS, cmd, put_listener, l,
			      GFP_KERNEL);
}

struct addr_list {
	union kproxy_addr addrs[KPROXY_ADDRESSES_MAX];
	const struct nlattr *attrs[KPROXY_ADDRESSES_MAX];
};

static int add_listener(struct kproxy_net *kn, const struct genl_info *info,
			const char *name, const struct addr_list *list, int n)
{
	struct kproxy_listener_options options = kproxy_listener_defaults;
	struct kproxy_upstream *up;
	unsigned int bad = n;
	int err;

	up = find_upstream(kn, info);
	if (!up)
		return -ENOENT;
	err = get_listener_options(info, &options);
	if (err)
		return err;
	err = kproxy_listener_add(kn, name, list->addrs, n, up, &options,
				  info->extack, &bad);
	if (err)
		NL_SET_BAD_ATTR(info->extack, bad < n ?
				list->attrs[bad] :
				info->attrs[KPROXY_A_LISTENER_NAME]);
	return err;
}

int kproxy_nl_listener_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct addr_list *list;
	struct kproxy_net *kn;
	const char *name;
	int n, err;

	err = kproxy_netlink_name(info, KPROXY_A_LISTENER_NAME, &name);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KPROXY_A_LISTENER_ADDRESS) ||
	    GENL_REQ_ATTR_CHECK(info, KPROXY_A_LISTENER_UPSTREAM))
		return -EINVAL;
	list = kmalloc(sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	n = get_addrs(info, list->addrs, list->attrs);
	if (n > 0) {
		kn = kproxy_netlink_lock(info);
		err = add_listener(kn, info, name, list, n);
		kproxy_netlink_unlock(kn);
	} else {
		err = n;
	}
	kfree(list);
	return err;
}

/* Handles a request about an existing listener. */
typedef int (*listener_act)(struct kproxy_net *kn, struct kproxy_listener *l,
			    struct genl_info *info);

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
	l = find_listener(kn, info, name);
	err = l ? act(kn, l, info) : -ENOENT;
	kproxy_netlink_unlock(kn);
	return err;
}

/*
 * @list is scratch space for the request's addresses, of which it may have
 * none.
 */
static int change_listener(struct kproxy_net *kn, struct kproxy_listener *l,
			   struct genl_info *info, struct addr_list *list)
{
	struct kproxy_listener_options options = l->options;
	struct kproxy_upstream *up = l->upstream;
	unsigned int bad;
	int n, err;

	if (info->attrs[KPROXY_A_LISTENER_UPSTREAM]) {
		up = find_upstream(kn, info);
		if (!up)
			return -ENOENT;
	}
	n = get_addrs(info, list->addrs, list->attrs);
	if (n < 0)
		return n;
	err = get_listener_options(info, &options);
	if (err)
		return err;
	bad = n;
	err = kproxy_listener_set(l, list->addrs, n, up, &options,
				  info->extack, &bad);
	if (bad < n)
		NL_SET_BAD_ATTR(info->extack, list->attrs[bad]);
	return err;
}

static int set_listener(struct kproxy_net *kn, struct kproxy_listener *l,
			struct genl_info *info)
{
	struct addr_list *list = kmalloc(sizeof(*list), GFP_KERNEL);
	int err;

	if (!list)
		return -ENOMEM;
	err = change_listener(kn, l, info, list);
	kfree(list);
	return err;
}

int kproxy_nl_listener_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return on_listener(info, set_listener);
}

static int del_listener(struct kproxy_net *kn, struct kproxy_listener *l,
			struct genl_info *info)
{
	return kproxy_listener_del(l, info->attrs[KPROXY_A_LISTENER_KILL],
				   info->extack);
}

int kproxy_nl_listener_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return on_listener(info, del_listener);
}

static int drain_listener(struct kproxy_net *kn, struct kproxy_listener *l,
			  struct genl_info *info)
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

static int reply_listener(struct kproxy_net *kn, struct kproxy_listener *l,
			  struct genl_info *info)
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
#define SMALL_PORTS 16

/* Size the messages for the largest listener: a small read gets few of them. */
int kproxy_nl_listener_get_start(struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_dump_lock(cb);
	const struct kproxy_listener *l;

	list_for_each_entry(l, &kn->listeners, node)
		if (rcu_access_pointer(l->options.prefixes) ||
		    l->nr_ports > SMALL_PORTS)
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
	l = list_prepare_entry(ctx->at, &kn->listeners, node);
	list_for_each_entry_continue(l, &kn->listeners, node) {
		if (l->id <= ctx->last)
			continue;
		err = kproxy_netlink_dump(skb, cb, put_listener, l);
		if (err)
			break;
		ctx->last = l->id;
		ctx->at = l;
	}
	kproxy_netlink_unlock(kn);
	return err;
}
