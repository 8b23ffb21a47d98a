// SPDX-License-Identifier: GPL-2.0
/* The request for a splice of two sockets of the requesting task. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/in.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include <uapi/linux/kproxy.h>

#include "log.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netns.h"
#include "quota.h"
#include "root.h"
#include "session-splice-start.h"
#include "sock.h"

static const int fd_attr[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_A_SPLICE_A,
	[KPROXY_SERVER] = KPROXY_A_SPLICE_B,
};

static const int bytes_attr[KPROXY_SIDES] = {
	[KPROXY_CLIENT] = KPROXY_A_SPLICE_BYTES_A,
	[KPROXY_SERVER] = KPROXY_A_SPLICE_BYTES_B,
};

/*
 * Descriptors are those of the task that sends the request. A program that was
 * started with a netlink socket of somebody else's, as its standard output for
 * instance, may be made to write a request that it knows nothing of.
 */
static int check_requester(const struct sk_buff *skb,
			   struct netlink_ext_ack *extack)
{
	const struct sock *sk = NETLINK_CB(skb).sk;
	const struct file *file = sk && sk->sk_socket ? sk->sk_socket->file :
							NULL;

	if (current->flags & PF_KTHREAD)
		return -EINVAL;
	if (file && uid_eq(file->f_cred->euid, current_euid()))
		return 0;
	NL_SET_ERR_MSG(extack, "the netlink socket belongs to another user");
	return -EPERM;
}

/*
 * Ask the security modules whether the task may read and write a socket, as
 * read() and write() do. Nothing here may wait for the socket's lock.
 */
static int check_rights(struct file *file, struct netlink_ext_ack *extack)
{
	if (!rw_verify_area(READ, file, NULL, 0) &&
	    !rw_verify_area(WRITE, file, NULL, 0))
		return 0;
	NL_SET_ERR_MSG(extack,
		       "a security module forbids to read or write the socket");
	return -EACCES;
}

static int check_socket(struct file *file, const struct net *net,
			struct netlink_ext_ack *extack)
{
	struct socket *socket = sock_from_file(file);

	if (!socket) {
		NL_SET_ERR_MSG(extack, "the descriptor is not a socket");
		return -ENOTSOCK;
	}
	if (socket->sk->sk_protocol == IPPROTO_MPTCP) {
		NL_SET_ERR_MSG(extack, "the socket is MPTCP");
		return -EOPNOTSUPP;
	}
	if (!sk_is_tcp(socket->sk)) {
		NL_SET_ERR_MSG(extack, "the socket is not TCP");
		return -EOPNOTSUPP;
	}
	if (!net_eq(sock_net(socket->sk), net)) {
		NL_SET_ERR_MSG(extack,
			       "the socket is in another network namespace");
		return -EXDEV;
	}
	return check_rights(file, extack);
}

/* Open the file of a side's descriptor. */
static int get_file_of(const struct genl_info *info, enum kproxy_side side,
		       struct kproxy_splice_request *request)
{
	const struct nlattr *attr = info->attrs[fd_attr[side]];
	struct file *file;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, fd_attr[side]))
		return -EINVAL;
	file = fget(nla_get_u32(attr));
	if (!file) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the descriptor is not open");
		return -EBADF;
	}
	err = check_socket(file, genl_info_net(info), info->extack);
	if (!err) {
		request->files[side] = file;
		return 0;
	}
	NL_SET_BAD_ATTR(info->extack, attr);
	fput(file);
	return err;
}

static void put_files(struct kproxy_splice_request *request)
{
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (request->files[side])
			fput(request->files[side]);
}

static int get_files(const struct genl_info *info,
		     struct kproxy_splice_request *request)
{
	enum kproxy_side side;
	int err;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++) {
		err = get_file_of(info, side, request);
		if (err)
			return err;
	}
	if (sock_from_file(request->files[KPROXY_CLIENT]) !=
	    sock_from_file(request->files[KPROXY_SERVER]))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KPROXY_A_SPLICE_B],
			    "both descriptors are the same socket");
	return -EINVAL;
}

static bool label_char(char c)
{
	return isascii(c) && isprint(c);
}

static int get_label(const struct genl_info *info, char *label)
{
	const struct nlattr *attr = info->attrs[KPROXY_A_SPLICE_LABEL];
	char *c;

	if (!attr) {
		strscpy(label, current->group_leader->comm, TASK_COMM_LEN);
		for (c = label; *c; c++)
			if (!label_char(*c))
				*c = '_';
		return 0;
	}
	nla_strscpy(label, attr, KPROXY_NAME_MAX + 1);
	for (c = label; *c; c++)
		if (!label_char(*c))
			break;
	if (c != label && !*c)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr,
			    "a label is 1 to 63 printable ASCII characters");
	return -EINVAL;
}

static int get_splice(const struct genl_info *info,
		      struct kproxy_splice_request *request)
{
	struct nlattr **attrs = info->attrs;
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		if (attrs[bytes_attr[side]])
			request->bytes[side] =
				nla_get_uint(attrs[bytes_attr[side]]);
	if (attrs[KPROXY_A_SPLICE_IDLE_TIMEOUT])
		request->idle =
			nla_get_u32(attrs[KPROXY_A_SPLICE_IDLE_TIMEOUT]);
	if (attrs[KPROXY_A_SPLICE_FLAGS])
		request->detach = nla_get_u32(attrs[KPROXY_A_SPLICE_FLAGS]) &
				  KPROXY_SPLICE_FLAG_DETACH;
	return get_label(info, request->label);
}

/* Who opens the log pays for it, and others rely on it. */
static int prepare(struct kproxy_net *kn, bool admin)
{
	int err;

	mutex_lock(&kn->lock);
	err = kproxy_net_setup(kn) ?: kproxy_splice_prepare(kn);
	if (!err && admin && !kn->log)
		/* pairs with the acquire in kproxy_nl_log_get_doit() */
		smp_store_release(&kn->log, kproxy_log_open());
	mutex_unlock(&kn->lock);
	return err;
}

struct reply {
	int fd;
	u64 id;
};

static int put_reply(struct sk_buff *skb, const void *object)
{
	const struct reply *reply = object;

	if (nla_put_u32(skb, KPROXY_A_SPLICE_FD, reply->fd) ||
	    nla_put_uint(skb, KPROXY_A_SPLICE_ID, reply->id))
		return -EMSGSIZE;
	return 0;
}

/* Start the splice, and reply with a descriptor for it. */
static int splice(struct genl_info *info, struct kproxy_splice_request *request)
{
	struct kproxy_net *kn = kproxy_net(genl_info_net(info));
	struct kproxy_session *s;
	struct reply reply;
	struct file *file;
	int err;

	reply.fd = get_unused_fd_flags(O_CLOEXEC);
	if (reply.fd < 0) {
		NL_SET_ERR_MSG(info->extack, "no file descriptor is left");
		return reply.fd;
	}
	s = kproxy_splice_start(kn, request, &file, info->extack);
	if (IS_ERR(s)) {
		err = PTR_ERR(s);
		if (request->refused < KPROXY_SIDES)
			NL_SET_BAD_ATTR(info->extack,
					info->attrs[fd_attr[request->refused]]);
		goto err_fd;
	}
	reply.id = s->id;
	err = kproxy_netlink_reply(info, put_reply, &reply);
	if (err) {
		kproxy_splice_cancel(s);
		fput(file);
		goto err_fd;
	}
	fd_install(reply.fd, file);
	kproxy_splice_go(s);
	return 0;

err_fd:
	put_unused_fd(reply.fd);
	return err;
}

int kproxy_nl_splice_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_net *kn = kproxy_net(genl_info_net(info));
	struct kproxy_splice_request request = {
		.admin = ns_capable_noaudit(kn->net->user_ns, CAP_NET_ADMIN),
	};
	int err;

	err = check_requester(skb, info->extack) ?:
	      kproxy_quota_admit(genl_info_net(info), info->extack) ?:
	      get_splice(info, &request) ?:
	      get_files(info, &request) ?:
	      prepare(kn, request.admin) ?:
	      splice(info, &request);
	put_files(&request);
	return err;
}
