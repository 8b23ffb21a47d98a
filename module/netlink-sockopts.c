// SPDX-License-Identifier: GPL-2.0
/* Socket options, which listeners and upstreams have in common. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "netlink.h"
#include "netlink-gen.h"
#include "sockopts.h"

static int get_keepalive(const struct nlattr *attr,
			 struct kproxy_keepalive *keepalive,
			 struct netlink_ext_ack *extack)
{
	struct nlattr *tb[KPROXY_A_KEEPALIVE_MAX + 1];
	int err;

	err = nla_parse_nested(tb, KPROXY_A_KEEPALIVE_MAX, attr,
			       kproxy_keepalive_nl_policy, extack);
	if (err)
		return err;
	if (tb[KPROXY_A_KEEPALIVE_IDLE])
		keepalive->idle = nla_get_u32(tb[KPROXY_A_KEEPALIVE_IDLE]);
	if (tb[KPROXY_A_KEEPALIVE_INTERVAL])
		keepalive->interval =
			nla_get_u32(tb[KPROXY_A_KEEPALIVE_INTERVAL]);
	if (tb[KPROXY_A_KEEPALIVE_COUNT])
		keepalive->count = nla_get_u32(tb[KPROXY_A_KEEPALIVE_COUNT]);
	return 0;
}

static int put_keepalive(struct sk_buff *skb, int type,
			 const struct kproxy_keepalive *keepalive)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, KPROXY_A_KEEPALIVE_IDLE, keepalive->idle) ||
	    nla_put_u32(skb, KPROXY_A_KEEPALIVE_INTERVAL,
			keepalive->interval) ||
	    nla_put_u32(skb, KPROXY_A_KEEPALIVE_COUNT, keepalive->count))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Read an option: by its type, and a number by the size of its field. */
static int get_sockopt(const struct nlattr *attr, enum kproxy_sockopt option,
		       struct kproxy_sockopts *opts,
		       struct netlink_ext_ack *extack)
{
	const struct kproxy_sockopt_row *row = &kproxy_sockopt_rows[option];
	void *field = (void *)opts + row->offset;

	switch (option) {
	case KPROXY_SOCKOPT_KEEPALIVE:
		return get_keepalive(attr, field, extack);
	case KPROXY_SOCKOPT_CONGESTION:
		strscpy_pad(opts->congestion, nla_data(attr));
		return 0;
	default:
		if (row->size == sizeof(u64))
			*(u64 *)field = nla_get_uint(attr);
		else
			*(u32 *)field = nla_get_u32(attr);
		return 0;
	}
}

static int put_sockopt(struct sk_buff *skb, int attr, enum kproxy_sockopt option,
		       const struct kproxy_sockopts *opts)
{
	const struct kproxy_sockopt_row *row = &kproxy_sockopt_rows[option];
	const void *field = (const void *)opts + row->offset;

	switch (option) {
	case KPROXY_SOCKOPT_KEEPALIVE:
		return put_keepalive(skb, attr, field);
	case KPROXY_SOCKOPT_CONGESTION:
		return nla_put_string(skb, attr, field);
	default:
		if (row->size == sizeof(u64))
			return nla_put_uint(skb, attr, *(const u64 *)field);
		return nla_put_u32(skb, attr, *(const u32 *)field);
	}
}

static int read_sockopts(const struct genl_info *info,
			 enum kproxy_sockopts_side side,
			 struct kproxy_sockopts *opts)
{
	const struct nlattr *attr;
	int i, err = 0;

	for (i = 0; !err && i < KPROXY_SOCKOPTS_COUNT; i++) {
		attr = info->attrs[kproxy_sockopt_rows[i].attrs[side]];
		if (attr)
			err = get_sockopt(attr, i, opts, info->extack);
	}
	return err;
}

/**
 * kproxy_netlink_get_sockopts() - read the socket options of a request
 * @info: the request
 * @side: whose sockets
 * @opts: the present options, updated by the request's
 *
 * Changed options are tried out, so that the kernel refuses invalid ones now.
 *
 * Context: process, may sleep.
 * Return: 0; or a negative errno, with reason and attribute in the extended
 * ack.
 */
int kproxy_netlink_get_sockopts(const struct genl_info *info,
				enum kproxy_sockopts_side side,
				struct kproxy_sockopts *opts)
{
	enum kproxy_sockopt bad = KPROXY_SOCKOPTS_COUNT;
	const struct kproxy_sockopts old = *opts;
	int err;

	err = read_sockopts(info, side, opts);
	if (err || !kproxy_sockopts_differ(&old, opts))
		return err;
	err = kproxy_sockopts_try(genl_info_net(info), side, &old, opts,
				  info->extack, &bad);
	if (err && bad < KPROXY_SOCKOPTS_COUNT)
		NL_SET_BAD_ATTR(info->extack,
				info->attrs[kproxy_sockopt_rows[bad].attrs[side]]);
	return err;
}

/**
 * kproxy_netlink_put_sockopts() - write socket options
 * @skb: the message
 * @side: whose sockets
 * @opts: the options
 *
 * Return: 0, or -EMSGSIZE if there is no room.
 */
int kproxy_netlink_put_sockopts(struct sk_buff *skb,
				enum kproxy_sockopts_side side,
				const struct kproxy_sockopts *opts)
{
	int i;

	for (i = 0; i < KPROXY_SOCKOPTS_COUNT; i++)
		if (put_sockopt(skb, kproxy_sockopt_rows[i].attrs[side], i, opts))
			return -EMSGSIZE;
	return 0;
}
