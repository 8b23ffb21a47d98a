// SPDX-License-Identifier: GPL-2.0
/* The request for the log's file descriptor. */
#include <linux/file.h>
#include <linux/sched.h>
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "log.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "root.h"

static int put_fd(struct sk_buff *skb, const void *object)
{
	const int *fd = object;

	return *fd < 0 ? 0 : nla_put_u32(skb, KPROXY_A_LOG_FD, *fd);
}

static int reply_file(struct genl_info *info, struct file *file)
{
	int err, fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0) {
		NL_SET_ERR_MSG(info->extack, "no file descriptor is left");
		return fd;
	}
	err = kproxy_netlink_reply(info, put_fd, &fd);
	if (err)
		put_unused_fd(fd);
	else
		fd_install(fd, file);
	return err;
}

int kproxy_nl_log_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kproxy_net *kn = kproxy_net(genl_info_net(info));
	static const int none = -1;
	struct kproxy_log *log;
	struct file *file;
	int err;

	/* pairs with the release in kproxy_listener_add() */
	log = smp_load_acquire(&kn->log);
	/* Kernel threads share a descriptor table, so nobody would close it. */
	if (current->flags & PF_KTHREAD)
		return -EINVAL;
	if (!kproxy_log_enabled()) {
		NL_SET_ERR_MSG(info->extack,
			       "the module keeps no log (log_records=0)");
		return -EOPNOTSUPP;
	}
	if (!log)
		return kproxy_netlink_reply(info, put_fd, &none);
	file = kproxy_log_file(log);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = reply_file(info, file);
	if (err)
		fput(file);
	return err;
}
