// SPDX-License-Identifier: GPL-2.0
/*
 * Lists of networks in requests about listeners. A list is one attribute, so
 * that a thousand networks fit into a message. Each network is its address,
 * followed by one byte of prefix length.
 */
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include <uapi/linux/kproxy.h>

#include "netlink.h"
#include "netlink-prefixes.h"
#include "prefixes.h"

static const struct {
	int attr;
	bool allow;
} lists[] = {
	{ KPROXY_A_LISTENER_ALLOW, true },
	{ KPROXY_A_LISTENER_DENY, false },
};

/* The networks that a request results in. */
struct collection {
	unsigned int n;
	struct kproxy_prefix list[KPROXY_PREFIXES_MAX];
};

static void refuse(struct netlink_ext_ack *extack, const char *what,
		   const struct kproxy_prefix *prefix)
{
	if (ipv6_addr_v4mapped(&prefix->addr) && prefix->bits >= 96)
		NL_SET_ERR_MSG_FMT(extack, "network %pI4/%u %s",
				   &prefix->addr.s6_addr32[3],
				   prefix->bits - 96, what);
	else
		NL_SET_ERR_MSG_FMT(extack, "network %pI6c/%u %s",
				   &prefix->addr, prefix->bits, what);
}

static int add_prefix(struct collection *all, const u8 *data, bool allow,
		      struct netlink_ext_ack *extack)
{
	u8 bits = data[sizeof(struct in6_addr)];
	struct in6_addr addr;

	memcpy(&addr, data, sizeof(addr));
	if (bits > 128) {
		NL_SET_ERR_MSG(extack, "a network has at most 128 bits");
		return -EINVAL;
	}
	if (all->n == KPROXY_PREFIXES_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "a listener has at most %u networks",
				   KPROXY_PREFIXES_MAX);
		return -E2BIG;
	}
	kproxy_prefix_set(&all->list[all->n++], &addr, bits, allow);
	return 0;
}

static int add_list(struct collection *all, const struct nlattr *attr,
		    bool allow, struct netlink_ext_ack *extack)
{
	int at, err;

	NL_SET_BAD_ATTR(extack, attr);
	if (nla_len(attr) % KPROXY_PREFIX_SIZE) {
		NL_SET_ERR_MSG_FMT(extack, "a network has %u bytes",
				   KPROXY_PREFIX_SIZE);
		return -EINVAL;
	}
	for (at = 0; at < nla_len(attr); at += KPROXY_PREFIX_SIZE) {
		err = add_prefix(all, nla_data(attr) + at, allow, extack);
		if (err)
			return err;
	}
	return 0;
}

/* A list that the request does not have stays as it is. */
static void keep_list(struct collection *all, bool allow,
		      const struct kproxy_prefixes *old)
{
	unsigned int i;

	for (i = 0; old && i < old->n; i++)
		if (old->list[i].allow == allow)
			all->list[all->n++] = old->list[i];
}

static int collect(struct collection *all, const struct genl_info *info,
		   const struct kproxy_prefixes *old)
{
	int i, err;

	/* First the lists that stay, because these fit. */
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (!info->attrs[lists[i].attr])
			keep_list(all, lists[i].allow, old);
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		if (!info->attrs[lists[i].attr])
			continue;
		err = add_list(all, info->attrs[lists[i].attr],
			       lists[i].allow, info->extack);
		if (err)
			return err;
	}
	return 0;
}

static int make_prefixes(struct collection *all, const struct genl_info *info,
			 const struct kproxy_prefixes *old,
			 struct kproxy_prefixes **prefixes)
{
	struct kproxy_prefix twice;
	int err;

	err = collect(all, info, old);
	if (err)
		return err;
	*prefixes = NULL;
	if (!all->n)
		return 0;
	*prefixes = kproxy_prefixes_new(all->list, all->n, &twice);
	err = PTR_ERR_OR_ZERO(*prefixes);
	if (err == -EEXIST)
		refuse(info->extack, "is listed twice", &twice);
	return err;
}

/**
 * kproxy_netlink_get_prefixes() - read which networks are admitted and denied
 * @info: a request about a listener
 * @old: the listener's present list, or NULL
 * @prefixes: where the list is stored: @old if the request has none; NULL if it
 *	admits everybody; or a new one, owned by the caller
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL, -E2BIG, -EEXIST for an invalid list; -ENOMEM.
 */
int kproxy_netlink_get_prefixes(const struct genl_info *info,
				struct kproxy_prefixes *old,
				struct kproxy_prefixes **prefixes)
{
	struct collection *all;
	int err;

	*prefixes = old;
	if (!info->attrs[KPROXY_A_LISTENER_ALLOW] &&
	    !info->attrs[KPROXY_A_LISTENER_DENY])
		return 0;
	all = kvmalloc(sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	all->n = 0;
	err = make_prefixes(all, info, old, prefixes);
	kvfree(all);
	return err;
}

static int put_list(struct sk_buff *skb, int attr, bool allow,
		    const struct kproxy_prefixes *prefixes)
{
	struct nlattr *list = nla_reserve(skb, attr, 0);
	unsigned int i;
	u8 *data;

	if (!list)
		return -EMSGSIZE;
	for (i = 0; prefixes && i < prefixes->n; i++) {
		if (prefixes->list[i].allow != allow)
			continue;
		/* Leave room for the attribute's padding. */
		if (skb_tailroom(skb) < KPROXY_PREFIX_SIZE + NLA_ALIGNTO)
			return -EMSGSIZE;
		data = skb_put(skb, KPROXY_PREFIX_SIZE);
		memcpy(data, &prefixes->list[i].addr, sizeof(struct in6_addr));
		data[sizeof(struct in6_addr)] = prefixes->list[i].bits;
		list->nla_len += KPROXY_PREFIX_SIZE;
	}
	skb_put_zero(skb, nla_padlen(nla_len(list)));
	return 0;
}

/**
 * kproxy_netlink_put_prefixes() - write which networks are admitted and denied
 * @skb: the message
 * @prefixes: the list, or NULL if everybody is admitted
 *
 * Return: 0 or -EMSGSIZE.
 */
int kproxy_netlink_put_prefixes(struct sk_buff *skb,
				const struct kproxy_prefixes *prefixes)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (put_list(skb, lists[i].attr, lists[i].allow, prefixes))
			return -EMSGSIZE;
	return 0;
}
