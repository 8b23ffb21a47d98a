/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SERVER_CHANGE_H
#define _KPROXY_SERVER_CHANGE_H

#include <linux/list.h>
#include <linux/types.h>

#include "server.h"

struct kproxy_upstream;
struct kproxy_view;
struct netlink_ext_ack;
union kproxy_addr;

/* What a change makes of a server. */
enum kproxy_server_fate {
	KPROXY_SERVER_ADD,
	KPROXY_SERVER_SET,
	KPROXY_SERVER_DEL,
};

/* A part of a change of its upstream. */
struct kproxy_server_change {
	struct list_head node;
	/* held */
	struct kproxy_server *server;
	enum kproxy_server_fate fate;
	/* its health is set in another way */
	bool health;
	struct kproxy_server_next next;
};

int kproxy_server_add(struct kproxy_view *view, struct kproxy_upstream *up,
		      const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack);
int kproxy_server_set(struct kproxy_view *view, struct kproxy_server *server,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack);
int kproxy_server_del(struct kproxy_view *view, struct kproxy_server *server,
		      struct netlink_ext_ack *extack);

/* For the change of the upstream. */
bool kproxy_server_change_takes_down(const struct kproxy_server_change *c);
void kproxy_server_change_publish(struct kproxy_server_change *c);
void kproxy_server_change_notify(const struct kproxy_server_change *c);
void kproxy_server_change_finish(struct kproxy_server_change *c, bool published);
void kproxy_server_stop(struct kproxy_server *server);

#endif /* _KPROXY_SERVER_CHANGE_H */
