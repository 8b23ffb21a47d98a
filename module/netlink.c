// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family, and helpers that its operations share. The
 * operations only translate between attributes and the functions of an object.
 * They decide nothing.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "events.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "quota.h"
#include "root.h"
#include "stats.h"
#include "transaction.h"

/* Session events are as private as the list of sessions. */
static const struct genl_multicast_group kproxy_groups[] = {
	[KPROXY_NLGRP_EVENTS] = { .name = KPROXY_MCGRP_EVENTS },
	[KPROXY_NLGRP_SESSION] = {
		.name = KPROXY_MCGRP_SESSION,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static struct genl_family kproxy_family __ro_after_init = {
	.name = KPROXY_FAMILY_NAME,
	.version = KPROXY_FAMILY_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.split_ops = kproxy_nl_ops,
	.n_split_ops = ARRAY_SIZE(kproxy_nl_ops),
	.mcgrps = kproxy_groups,
	.n_mcgrps = ARRAY_SIZE(kproxy_groups),
};

/* Set once, before the family is unregistered: no more events are sent. */
static bool family_gone;

/* A socket was closed: its transaction can no longer be committed. */
static int socket_notify(struct notifier_block *nb, unsigned long event,
			 void *data)
{
	struct netlink_notify *notify = data;

	if (event == NETLINK_URELEASE && notify->protocol == NETLINK_GENERIC)
		kproxy_transaction_portid_closed(kproxy_net(notify->net),
						 notify->portid);
	return NOTIFY_DONE;
}

static struct notifier_block socket_notifier = {
	.notifier_call = socket_notify,
};

/**
 * kproxy_netlink_init() - start taking requests
 *
 * Context: process, may sleep.
 * Return: 0 or a negative errno.
 */
int __init kproxy_netlink_init(void)
{
	int err;

	kproxy_events = &kproxy_netlink_events;
	err = netlink_register_notifier(&socket_notifier);
	if (err)
		return err;
	err = genl_register_family(&kproxy_family);
	if (err)
		netlink_unregister_notifier(&socket_notifier);
	return err;
}

/**
 * kproxy_netlink_exit() - stop taking requests and wait for those under way
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_exit(void)
{
	/* After this, the groups' numbers may belong to another family. */
	WRITE_ONCE(family_gone, true);
	genl_unregister_family(&kproxy_family);
	netlink_unregister_notifier(&socket_notifier);
}

/* All other requests act at once, even within a transaction. */
static bool can_be_staged(u8 cmd)
{
	switch (cmd) {
	case KPROXY_CMD_LISTENER_ADD:
	case KPROXY_CMD_LISTENER_SET:
	case KPROXY_CMD_LISTENER_DEL:
	case KPROXY_CMD_UPSTREAM_ADD:
	case KPROXY_CMD_UPSTREAM_SET:
	case KPROXY_CMD_UPSTREAM_DEL:
	case KPROXY_CMD_SERVER_ADD:
	case KPROXY_CMD_SERVER_SET:
	case KPROXY_CMD_SERVER_DEL:
	case KPROXY_CMD_ROUTE_ADD:
	case KPROXY_CMD_ROUTE_DEL:
		return true;
	default:
		return false;
	}
}

/**
 * kproxy_netlink_sock() - return the socket that a request came through
 * @info: a request that needs CAP_NET_ADMIN, and is no dump
 *
 * Return: the socket, which lives as long as the request.
 */
struct sock *kproxy_netlink_sock(const struct genl_info *info)
{
	return info->user_ptr[0];
}

/**
 * kproxy_netlink_lock() - take the configuration lock of a request's namespace
 * @info: the request, one that changes nothing or is done at once
 *
 * Context: process, may sleep.
 * Return: the namespace's root, for kproxy_netlink_unlock().
 */
struct kproxy_net *kproxy_netlink_lock(const struct genl_info *info)
{
	struct kproxy_net *kn = kproxy_net(genl_info_net(info));

	mutex_lock(&kn->lock);
	return kn;
}

/**
 * kproxy_netlink_dump_lock() - take the lock for one part of a dump
 * @cb: the dump, which is marked if the configuration changed since its last
 *	part
 *
 * Context: process, may sleep.
 * Return: the namespace's root, for kproxy_netlink_unlock().
 */
struct kproxy_net *kproxy_netlink_dump_lock(struct netlink_callback *cb)
{
	struct kproxy_net *kn = kproxy_netlink_lock(genl_info_dump(cb));

	/* Zero would disable the consistency check. */
	cb->seq = (u32)kn->changes ?: U32_MAX;
	return kn;
}

/**
 * kproxy_netlink_unlock() - drop the configuration lock
 * @kn: the namespace's root
 */
void kproxy_netlink_unlock(struct kproxy_net *kn)
{
	mutex_unlock(&kn->lock);
}

/**
 * kproxy_netlink_begin() - take the lock of what a request changes
 * @info: the request, one of can_be_staged()
 * @own: storage for the view of a requester without a transaction
 *
 * Context: process, may sleep.
 * Return: the view to look objects up in and to change, for
 * kproxy_netlink_end().
 */
struct kproxy_view *kproxy_netlink_begin(const struct genl_info *info,
					 struct kproxy_view *own)
{
	struct kproxy_net *kn = kproxy_netlink_lock(info);

	return kproxy_transaction_enter(kn, kproxy_netlink_sock(info), own);
}

/**
 * kproxy_netlink_end() - commit the changes of a request without a transaction
 * @info: the request
 * @view: its view; its lock stays held until kproxy_netlink_unlock()
 * @attr: the attribute to blame for an error that names none; 0 for none
 * @err: the result so far
 *
 * Context: process, may sleep.
 * Return: @err, or what kproxy_transaction_leave() says.
 */
int kproxy_netlink_end(const struct genl_info *info, struct kproxy_view *view,
		       int attr, int err)
{
	struct netlink_ext_ack *extack = info->extack;

	err = kproxy_transaction_leave(view, err, extack);
	if (err && attr && extack && !extack->bad_attr)
		NL_SET_BAD_ATTR(extack, info->attrs[attr]);
	return err;
}

/*
 * Generic netlink ignores the attributes of an operation that has none. Refuse
 * them, since a client may have meant a filter.
 */
static int refuse_attrs(const struct genl_info *info)
{
	if (nlmsg_attrlen(info->nlhdr, GENL_HDRLEN) <= 0)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack,
			    nlmsg_attrdata(info->nlhdr, GENL_HDRLEN),
			    "the operation takes no attribute");
	return -EINVAL;
}

int kproxy_nl_bare_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
			struct genl_info *info)
{
	return refuse_attrs(info);
}

/*
 * Called before each operation that needs CAP_NET_ADMIN, which generic netlink
 * has checked. Check what the namespace and the transaction allow.
 */
int kproxy_nl_admin_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
			 struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	int err = kproxy_quota_admit(net, info->extack);

	if (!err && can_be_staged(info->genlhdr->cmd))
		err = kproxy_transaction_admit(kproxy_net(net),
					       info->snd_portid, info->extack);
	info->user_ptr[0] = NETLINK_CB(skb).sk;
	return err;
}

int kproxy_nl_admin_bare_doit(const struct genl_split_ops *ops,
			      struct sk_buff *skb, struct genl_info *info)
{
	int err = kproxy_nl_admin_doit(ops, skb, info);

	return err ?: refuse_attrs(info);
}

int kproxy_nl_bare_start(struct netlink_callback *cb)
{
	return refuse_attrs(genl_info_dump(cb));
}

/* Write an object as one message; as part of dump @cb unless that is NULL. */
static int fill(struct sk_buff *skb, struct netlink_callback *cb,
		const struct genl_info *info, kproxy_netlink_put put,
		const void *object)
{
	void *header = __genlmsg_iput(skb, info, cb ? NLM_F_MULTI : 0);

	if (!header)
		return -EMSGSIZE;
	if (cb)
		genl_dump_check_consistent(cb, header);
	if (put(skb, object)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/**
 * kproxy_netlink_dump() - add an object to a dump
 * @skb: the part of the dump that is being written
 * @cb: the dump
 * @put: writes the object
 * @object: the object
 *
 * Return: 0, or -EMSGSIZE with nothing added when the part is full.
 */
int kproxy_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb,
			kproxy_netlink_put put, const void *object)
{
	return fill(skb, cb, genl_info_dump(cb), put, object);
}

/* Sizes to try for a message with one object; most objects are small. */
static const size_t message_sizes[] = {
	GENLMSG_DEFAULT_SIZE, KPROXY_NETLINK_OBJECT_MAX,
};

/**
 * kproxy_netlink_reply() - answer a request with one object
 * @info: the request
 * @put: writes the object
 * @object: the object
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EMSGSIZE; or the error of genlmsg_reply().
 */
int kproxy_netlink_reply(struct genl_info *info, kproxy_netlink_put put,
			 const void *object)
{
	struct sk_buff *skb;
	int i;

	for (i = 0; i < ARRAY_SIZE(message_sizes); i++) {
		skb = genlmsg_new(message_sizes[i], GFP_KERNEL);
		if (!skb)
			return -ENOMEM;
		if (!fill(skb, NULL, info, put, object))
			return genlmsg_reply(skb, info);
		nlmsg_free(skb);
	}
	return -EMSGSIZE;
}

/*
 * Return: nonzero if a socket must not receive a message of a group that needs
 * CAP_NET_ADMIN. Generic netlink checks that when a socket joins the group, but
 * a number below the size of the table can be joined before any family has it.
 * The socket is in the table, which is locked, so that its file stays.
 */
static int lacks_capability(struct sock *sk, struct sk_buff *skb, void *data)
{
	const struct net *net = data;
	const struct file *file = sk->sk_socket->file;

	return !file || !file_ns_capable(file, net->user_ns, CAP_NET_ADMIN);
}

static void multicast(const struct kproxy_net *kn, unsigned int group,
		      struct sk_buff *skb, gfp_t gfp)
{
	bool admin = kproxy_groups[group].flags & GENL_MCAST_CAP_NET_ADMIN;

	genlmsg_multicast_netns_filtered(&kproxy_family, kn->net, skb, 0, group,
					 gfp, admin ? lacks_capability : NULL,
					 kn->net);
}

/**
 * kproxy_netlink_notify() - send an event about one object
 * @kn: the namespace's root
 * @group: KPROXY_NLGRP_*, the multicast group
 * @cmd: the event
 * @put: writes the object
 * @object: the object
 * @gfp: allocation flags that the caller's context allows
 *
 * If there is no memory, or no room in a subscriber's socket, that socket
 * reports ENOBUFS. Without subscribers this costs next to nothing.
 *
 * Context: any.
 */
void kproxy_netlink_notify(const struct kproxy_net *kn, unsigned int group,
			   u8 cmd, kproxy_netlink_put put, const void *object,
			   gfp_t gfp)
{
	struct sk_buff *skb;
	void *header;
	int i;

	if (READ_ONCE(family_gone) ||
	    !genl_has_listeners(&kproxy_family, kn->net, group))
		return;
	for (i = 0; i < ARRAY_SIZE(message_sizes); i++) {
		skb = genlmsg_new(message_sizes[i], gfp);
		if (!skb)
			break;
		header = genlmsg_put(skb, 0, 0, &kproxy_family, 0, cmd);
		if (header && !put(skb, object)) {
			genlmsg_end(skb, header);
			multicast(kn, group, skb, gfp);
			return;
		}
		nlmsg_free(skb);
	}
	genl_set_err(&kproxy_family, kn->net, 0, group, -ENOBUFS);
}

static bool name_valid(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._-", *c)))
			return false;
	return c != name;
}

/**
 * kproxy_netlink_name() - read a mandatory name from a request
 * @info: the request
 * @attr: its attribute
 * @name: where the name is stored; it lives as long as the request
 *
 * Return: 0; -EINVAL if it is missing or invalid.
 */
int kproxy_netlink_name(const struct genl_info *info, int attr,
			const char **name)
{
	if (GENL_REQ_ATTR_CHECK(info, attr))
		return -EINVAL;
	*name = nla_data(info->attrs[attr]);
	if (name_valid(*name))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
			    "a name is 1 to 63 of A-Za-z0-9._-");
	return -EINVAL;
}

/**
 * kproxy_netlink_get_addr() - read an endpoint
 * @attr: its attribute, validated by its policy
 * @addr: where it is stored; AF_UNSPEC for any address of both families
 * @extack: gets the reason of a refusal
 *
 * Return: 0; -EINVAL if the endpoint is invalid.
 */
int kproxy_netlink_get_addr(const struct nlattr *attr, union kproxy_addr *addr,
			    struct netlink_ext_ack *extack)
{
	struct nlattr *tb[KPROXY_A_ENDPOINT_MAX + 1];
	int err;

	err = nla_parse_nested(tb, KPROXY_A_ENDPOINT_MAX, attr,
			       kproxy_endpoint_nl_policy, extack);
	if (err)
		return err;
	if (tb[KPROXY_A_ENDPOINT_IPV4] && tb[KPROXY_A_ENDPOINT_IPV6]) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "an endpoint has either an IPv4 or an IPv6 address");
		return -EINVAL;
	}
	if (tb[KPROXY_A_ENDPOINT_SCOPE] && !tb[KPROXY_A_ENDPOINT_IPV6]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[KPROXY_A_ENDPOINT_SCOPE],
				    "only an IPv6 address has a scope");
		return -EINVAL;
	}

	memset(addr, 0, sizeof(*addr));
	if (tb[KPROXY_A_ENDPOINT_PORT])
		addr->v4.sin_port =
			htons(nla_get_u16(tb[KPROXY_A_ENDPOINT_PORT]));
	if (tb[KPROXY_A_ENDPOINT_IPV4]) {
		addr->v4.sin_family = AF_INET;
		addr->v4.sin_addr.s_addr =
			nla_get_in_addr(tb[KPROXY_A_ENDPOINT_IPV4]);
	} else if (tb[KPROXY_A_ENDPOINT_IPV6]) {
		addr->v6.sin6_family = AF_INET6;
		addr->v6.sin6_addr =
			nla_get_in6_addr(tb[KPROXY_A_ENDPOINT_IPV6]);
		if (tb[KPROXY_A_ENDPOINT_SCOPE])
			addr->v6.sin6_scope_id =
				nla_get_u32(tb[KPROXY_A_ENDPOINT_SCOPE]);
	}
	return 0;
}

/**
 * kproxy_netlink_get_next_addr() - read an endpoint that those before it must not
 * equal
 * @attr: its attribute
 * @addrs: the endpoints; the next one is stored behind them
 * @n: how many there are
 * @extack: gets the reason of a refusal
 *
 * Return: 0; or a negative errno, with reason and attribute in the extended ack.
 */
int kproxy_netlink_get_next_addr(const struct nlattr *attr,
				 union kproxy_addr *addrs, unsigned int n,
				 struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err;

	err = kproxy_netlink_get_addr(attr, &addrs[n], extack);
	if (err)
		return err;
	for (i = 0; i < n; i++) {
		if (!kproxy_addr_equal(&addrs[i], &addrs[n]))
			continue;
		NL_SET_ERR_MSG_ATTR(extack, attr, "duplicate address");
		return -EINVAL;
	}
	return 0;
}

static int put_addr(struct sk_buff *skb, const union kproxy_addr *addr)
{
	if (nla_put_u16(skb, KPROXY_A_ENDPOINT_PORT,
			ntohs(kproxy_addr_port(addr))))
		return -EMSGSIZE;
	switch (addr->sa.sa_family) {
	case AF_INET:
		return nla_put_in_addr(skb, KPROXY_A_ENDPOINT_IPV4,
				       addr->v4.sin_addr.s_addr);
	case AF_INET6:
		if (addr->v6.sin6_scope_id &&
		    nla_put_u32(skb, KPROXY_A_ENDPOINT_SCOPE,
				addr->v6.sin6_scope_id))
			return -EMSGSIZE;
		return nla_put_in6_addr(skb, KPROXY_A_ENDPOINT_IPV6,
					&addr->v6.sin6_addr);
	default:
		return 0;
	}
}

/**
 * kproxy_netlink_put_addr() - write an endpoint
 * @skb: the message
 * @attr: its attribute
 * @addr: the endpoint
 *
 * Return: 0 or -EMSGSIZE.
 */
int kproxy_netlink_put_addr(struct sk_buff *skb, int attr,
			    const union kproxy_addr *addr)
{
	struct nlattr *nest = nla_nest_start(skb, attr);

	if (!nest || put_addr(skb, addr))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static_assert((int)KPROXY_A_END_REASONS_MAX == (int)KPROXY_REASON_MAX);

/* Write how many sessions ended by each reason; the reason is the attribute. */
static int put_end_reasons(struct sk_buff *skb, const struct kproxy_stats *sum)
{
	struct nlattr *nest = nla_nest_start(skb,
					     KPROXY_A_COUNTERS_END_REASONS);
	int reason;

	if (!nest)
		return -EMSGSIZE;
	for (reason = KPROXY_REASON_NONE + 1; reason <= KPROXY_REASON_MAX;
	     reason++)
		if (nla_put_uint(skb, reason,
				 sum->count[KPROXY_COUNTS_END_REASONS + reason]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static u64 counter_value(const struct kproxy_stats *sum, int counter,
			 unsigned int sessions)
{
	switch (counter) {
	case KPROXY_A_COUNTERS_SESSIONS:
		return sessions;
	case KPROXY_A_COUNTERS_STALL_CLIENT_US:
	case KPROXY_A_COUNTERS_STALL_SERVER_US:
		return sum->count[counter] / NSEC_PER_USEC;
	default:
		return sum->count[counter];
	}
}

/**
 * kproxy_netlink_put_counters() - write a set of counters
 * @skb: the message
 * @attr: its attribute
 * @sum: the counters
 * @sessions: live sessions
 *
 * Return: 0 or -EMSGSIZE.
 */
int kproxy_netlink_put_counters(struct sk_buff *skb, int attr,
				const struct kproxy_stats *sum,
				unsigned int sessions)
{
	struct nlattr *nest = nla_nest_start(skb, attr);
	int counter;

	if (!nest || put_end_reasons(skb, sum))
		return -EMSGSIZE;
	for (counter = 1; counter <= KPROXY_A_COUNTERS_MAX; counter++)
		if (counter != KPROXY_A_COUNTERS_END_REASONS &&
		    nla_put_uint(skb, counter,
				 counter_value(sum, counter, sessions)))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}
