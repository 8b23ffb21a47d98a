// SPDX-License-Identifier: GPL-2.0
/* Socket options, which listeners and upstreams have in common. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "netlink.h"
#include "netlink-gen.h"
#include "sockopts.h"

/* The attributes of an option: the listener's and the upstream's. */
#define ATTRS(name)							\
	[KPROXY_SOCKOPT_##name] = {					\
		[KPROXY_SOCKOPTS_LISTEN] = KPROXY_A_LISTENER_##name,	\
		[KPROXY_SOCKOPTS_CONNECT] = KPROXY_A_UPSTREAM_##name,	\
	}

static const int attrs[KPROXY_SOCKOPTS_COUNT][KPROXY_SOCKOPTS_SIDES] = {
	ATTRS(NODELAY),
	ATTRS(KEEPALIVE),
	ATTRS(RCVBUF),
	ATTRS(SNDBUF),
	ATTRS(CONGESTION),
	ATTRS(USER_TIMEOUT),
	ATTRS(NOTSENT_LOWAT),
	ATTRS(DSCP),
	ATTRS(MARK),
	ATTRS(FASTOPEN),
	ATTRS(PACING),
};

/* Options that are plain numbers, and their offset in the struct. */
static const struct {
	enum kproxy_sockopt option;
	size_t offset;
} numbers[] = {
	{ KPROXY_SOCKOPT_NODELAY, offsetof(struct kproxy_sockopts, nodelay) },
	{ KPROXY_SOCKOPT_RCVBUF, offsetof(struct kproxy_sockopts, rcvbuf) },
	{ KPROXY_SOCKOPT_SNDBUF, offsetof(struct kproxy_sockopts, sndbuf) },
	{ KPROXY_SOCKOPT_USER_TIMEOUT,
	  offsetof(struct kproxy_sockopts, user_timeout) },
	{ KPROXY_SOCKOPT_NOTSENT_LOWAT,
	  offsetof(struct kproxy_sockopts, notsent_lowat) },
	{ KPROXY_SOCKOPT_DSCP, offsetof(struct kproxy_sockopts, dscp) },
	{ KPROXY_SOCKOPT_MARK, offsetof(struct kproxy_sockopts, mark) },
	{ KPROXY_SOCKOPT_FASTOPEN, offsetof(struct kproxy_sockopts, fastopen) },
};

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

static const struct nlattr *find_attr(const struct genl_info *info,
				      enum kproxy_sockopts_side side,
				      enum kproxy_sockopt option)
{
	return info->attrs[attrs[option][side]];
}

static int read_sockopts(const struct genl_info *info,
			 enum kproxy_sockopts_side side,
			 struct kproxy_sockopts *opts)
{
	const struct nlattr *attr;
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		attr = find_attr(info, side, numbers[i].option);
		if (attr)
			*(u32 *)((void *)opts + numbers[i].offset) =
				nla_get_u32(attr);
	}
	attr = find_attr(info, side, KPROXY_SOCKOPT_PACING);
	if (attr)
		opts->pacing = nla_get_uint(attr);
	attr = find_attr(info, side, KPROXY_SOCKOPT_CONGESTION);
	if (attr)
		strscpy_pad(opts->congestion, nla_data(attr));
	attr = find_attr(info, side, KPROXY_SOCKOPT_KEEPALIVE);
	return attr ? get_keepalive(attr, &opts->keepalive, info->extack) : 0;
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
		NL_SET_BAD_ATTR(info->extack, find_attr(info, side, bad));
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

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (nla_put_u32(skb, attrs[numbers[i].option][side],
				*(const u32 *)((const void *)opts +
					       numbers[i].offset)))
			return -EMSGSIZE;
	if (nla_put_uint(skb, attrs[KPROXY_SOCKOPT_PACING][side],
			 opts->pacing) ||
	    nla_put_string(skb, attrs[KPROXY_SOCKOPT_CONGESTION][side],
			   opts->congestion) ||
	    put_keepalive(skb, attrs[KPROXY_SOCKOPT_KEEPALIVE][side],
			  &opts->keepalive))
		return -EMSGSIZE;
	return 0;
}
