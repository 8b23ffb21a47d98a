// SPDX-License-Identifier: GPL-2.0
/* Requests about transactions. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "netlink.h"
#include "netlink-gen.h"
#include "root.h"
#include "transaction.h"

static int put_generation(struct sk_buff *skb, const void *object)
{
	const struct kproxy_net *kn = object;

	return nla_put_u32(skb, KPROXY_A_TRANSACTION_GENERATION,
			   (u32)kn->changes);
}

int kproxy_nl_transaction_begin_doit(struct sk_buff *skb,
				     struct genl_info *info)
{
	struct nlattr *attr = info->attrs[KPROXY_A_TRANSACTION_GENERATION];
	struct kproxy_net *kn = kproxy_netlink_lock(info);
	u32 generation = attr ? nla_get_u32(attr) : 0;
	int err;

	err = kproxy_transaction_begin(kn, info->snd_portid,
				       kproxy_netlink_sock(info),
				       attr ? &generation : NULL,
				       info->extack);
	if (!err) {
		err = kproxy_netlink_reply(info, put_generation, kn);
		if (err)
			kproxy_transaction_drop(kn);
	}
	kproxy_netlink_unlock(kn);
	return err;
}

int kproxy_nl_transaction_commit_doit(struct sk_buff *skb,
				      struct genl_info *info)
{
	struct kproxy_net *kn = kproxy_netlink_lock(info);
	int err;

	err = kproxy_transaction_commit(kn, kproxy_netlink_sock(info),
					info->extack);
	kproxy_netlink_unlock(kn);
	return err;
}

int kproxy_nl_transaction_abort_doit(struct sk_buff *skb,
				     struct genl_info *info)
{
	struct kproxy_net *kn = kproxy_netlink_lock(info);
	int err;

	err = kproxy_transaction_abort(kn, kproxy_netlink_sock(info),
				       info->extack);
	kproxy_netlink_unlock(kn);
	return err;
}
