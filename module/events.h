/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_EVENTS_H
#define _KPROXY_EVENTS_H

#include <linux/types.h>

struct kproxy_listener;
struct kproxy_refusal;
struct kproxy_route;
struct kproxy_server;
struct kproxy_session;
struct kproxy_upstream;

/*
 * Receivers of events; @cmd is KPROXY_CMD_*_NTF. Configuration events are called
 * with the configuration lock held, in the order of the changes. All but
 * server_health(), which is called in any context, may sleep.
 */
struct kproxy_event_ops {
	void (*listener)(const struct kproxy_listener *l, u8 cmd);
	void (*route)(const struct kproxy_listener *l,
		      const struct kproxy_route *route, u8 cmd);
	void (*upstream)(const struct kproxy_upstream *up, u8 cmd);
	void (*server)(const struct kproxy_server *server, u8 cmd);
	void (*server_health)(const struct kproxy_server *server);
	/* its sessions are to be reset */
	void (*server_down)(const struct kproxy_server *server);
	void (*session)(const struct kproxy_session *s, u8 cmd);
	void (*refused)(const struct kproxy_refusal *refusal);
};

/* Set once, before the first request is served; no event comes before that. */
extern const struct kproxy_event_ops *kproxy_events;

#endif /* _KPROXY_EVENTS_H */
