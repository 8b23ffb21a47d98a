/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CHECK_H
#define _KPROXY_CHECK_H

#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/kproxy.h>

#include "sock.h"

struct kproxy_check_text;
struct kproxy_net;
struct kproxy_server;

/* Active checks of a server. */
struct kproxy_check {
	/* Under the configuration lock: whether the work may run. */
	bool on;
	/* begins a check, or ends the one under way */
	struct delayed_work work;

	/* The work's, or while it is disabled; lockless reads of @health. */
	struct kproxy_sock ks;
	/* jiffies when the check began */
	unsigned long began;
	/* what the check under way sends and expects, NULL: only to connect */
	struct kproxy_check_text *text;
	/* it was sent */
	bool sent;
	/* results in a row that contradict @health */
	unsigned int contrary;
	enum kproxy_health health;

	/* enum check_flag, atomic bits, of the check under way */
	unsigned long flags;
};

int kproxy_check_open(struct kproxy_net *kn);
void kproxy_check_prepare(struct kproxy_server *server);
void kproxy_check_apply(struct kproxy_server *server);
void kproxy_check_stop(struct kproxy_server *server);
bool kproxy_check_judge(struct kproxy_check *check, bool answered,
			unsigned int rise, unsigned int fall);

#endif /* _KPROXY_CHECK_H */
