// SPDX-License-Identifier: GPL-2.0
/* Options of objects that are numbers, in requests and replies. */
#include <net/genetlink.h>

#include "netlink.h"
#include "option.h"

/**
 * kproxy_netlink_get_options() - read options of a request
 * @info: the request, whose values the policy has checked
 * @table: the options
 * @options: the struct of options; those that the request has are changed
 *
 * Context: any.
 */
void kproxy_netlink_get_options(const struct genl_info *info,
				const struct kproxy_option *table,
				void *options)
{
	const struct kproxy_option *option;

	for (option = table; option->attr; option++)
		if (info->attrs[option->attr])
			kproxy_option_set(option, options,
					  nla_get_u32(info->attrs[option->attr]));
}

/**
 * kproxy_netlink_put_options() - write options
 * @skb: the message
 * @table: the options
 * @options: the struct of options
 *
 * Context: any.
 * Return: 0, or -EMSGSIZE if there is no room.
 */
int kproxy_netlink_put_options(struct sk_buff *skb,
			       const struct kproxy_option *table,
			       const void *options)
{
	const struct kproxy_option *option;

	for (option = table; option->attr; option++)
		if (nla_put_u32(skb, option->attr,
				kproxy_option_get(option, options)))
			return -EMSGSIZE;
	return 0;
}
