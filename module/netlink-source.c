// SPDX-License-Identifier: GPL-2.0
/* An upstream's source addresses, in requests and replies. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "netlink.h"
#include "netlink-gen.h"
#include "source.h"

static int get_addr(const struct genl_info *info, const struct nlattr *attr,
		    struct kproxy_source *source)
{
	union kproxy_addr *addr = &source->addrs[source->nr];
	struct netlink_ext_ack *extack = info->extack;
	int err;

	if (source->nr == KPROXY_SOURCES_MAX) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr,
					"an upstream connects from at most %u addresses",
					KPROXY_SOURCES_MAX);
		return -E2BIG;
	}
	err = kproxy_netlink_get_next_addr(attr, source->addrs, source->nr,
					   extack);
	if (err)
		return err;
	if (kproxy_addr_port(addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "a source address has no port");
		return -EINVAL;
	}
	if (!kproxy_addr_sendable(addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "cannot connect from this address");
		return -EINVAL;
	}
	err = kproxy_source_try(genl_info_net(info), addr);
	if (err == -EADDRNOTAVAIL)
		NL_SET_ERR_MSG_ATTR(extack, attr, "the address is not local");
	else if (err)
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr,
					"the kernel refuses it (error %d)",
					-err);
	source->nr++;
	return err;
}

/**
 * kproxy_netlink_get_source() - read where to connect from
 * @info: the request
 * @source: the present source, replaced by the request's
 *
 * Context: process, may sleep.
 * Return: 0; or a negative errno, with reason and attribute in the extended
 * ack.
 */
int kproxy_netlink_get_source(const struct genl_info *info,
			      struct kproxy_source *source)
{
	const struct nlattr *nest = info->attrs[KPROXY_A_UPSTREAM_SOURCE], *attr;
	const struct nlattr *mode = NULL;
	int rem, err;

	if (!nest)
		return 0;
	memset(source, 0, sizeof(*source));
	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) == KPROXY_A_SOURCE_MODE) {
			mode = attr;
			continue;
		}
		err = get_addr(info, attr, source);
		if (err)
			return err;
	}
	source->mode = source->nr ? KPROXY_SOURCE_ADDRESS :
				    KPROXY_SOURCE_DEFAULT;
	if (!mode)
		return 0;
	if (source->nr && nla_get_u32(mode) != KPROXY_SOURCE_ADDRESS) {
		NL_SET_ERR_MSG_ATTR(info->extack, mode,
				    "this source mode takes no addresses");
		return -EINVAL;
	}
	if (!source->nr && nla_get_u32(mode) == KPROXY_SOURCE_ADDRESS) {
		NL_SET_ERR_MSG_ATTR(info->extack, mode,
				    "an address is missing");
		return -EINVAL;
	}
	source->mode = nla_get_u32(mode);
	return 0;
}

/**
 * kproxy_netlink_put_source() - write where to connect from
 * @skb: the message
 * @source: the source
 *
 * Return: 0 or -EMSGSIZE.
 */
int kproxy_netlink_put_source(struct sk_buff *skb,
			      const struct kproxy_source *source)
{
	struct nlattr *nest = nla_nest_start(skb, KPROXY_A_UPSTREAM_SOURCE);
	unsigned int i;

	if (!nest || nla_put_u32(skb, KPROXY_A_SOURCE_MODE, source->mode))
		return -EMSGSIZE;
	for (i = 0; i < source->nr; i++)
		if (kproxy_netlink_put_addr(skb, KPROXY_A_SOURCE_ADDRESS,
					    &source->addrs[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}
