/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_SPLICE_START_H
#define _KPROXY_SESSION_SPLICE_START_H

#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "session.h"

struct file;
struct kproxy_net;
struct netlink_ext_ack;

/* The sockets of a splice, and its options. */
struct kproxy_splice_request {
	/* of AF_INET or AF_INET6 TCP sockets, two different ones */
	struct file *files[KPROXY_SIDES];
	/* bytes to pass on from each, 0 for no limit */
	u64 bytes[KPROXY_SIDES];
	/* milliseconds, 0 for never */
	u32 idle;
	bool detach;
	/* who asks may configure the namespace */
	bool admin;
	char label[KPROXY_NAME_MAX + 1];
	/* Set on a refusal: the side of the socket, KPROXY_SIDES for none. */
	enum kproxy_side refused;
};

void kproxy_splice_exit(void);
int kproxy_splice_prepare(struct kproxy_net *kn);
struct kproxy_session *kproxy_splice_start(struct kproxy_net *kn,
					   struct kproxy_splice_request *request,
					   struct file **file,
					   struct netlink_ext_ack *extack);
void kproxy_splice_check(struct kproxy_session *s);
void kproxy_splice_go(struct kproxy_session *s);
void kproxy_splice_cancel(struct kproxy_session *s);

#endif /* _KPROXY_SESSION_SPLICE_START_H */
