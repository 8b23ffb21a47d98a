/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_HEALTH_H
#define _KPROXY_HEALTH_H

#include <linux/atomic.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

struct kproxy_server;

/* Health of a server as seen by sessions. */
struct kproxy_server_health {
	/* failed connects in a row */
	atomic_t failures;
	/* jiffies when a session may try again; by cmpxchg() or a store */
	unsigned long retry;
	/* @failures when it was ejected last; by the session that ejected it */
	unsigned int ejected;
	/* ends the server's ejection */
	struct timer_list back;
};

void kproxy_health_init(struct kproxy_server *server);
void kproxy_health_forgive(struct kproxy_server *server);
void kproxy_health_stop(struct kproxy_server *server);
enum kproxy_health kproxy_health_get(const struct kproxy_server *server);
unsigned int kproxy_health_ejected_ms(const struct kproxy_server *server);
void kproxy_health_changed(struct kproxy_server *server);
void kproxy_health_connected(struct kproxy_server *server);
void kproxy_health_failed(struct kproxy_server *server);
bool kproxy_health_blames(int err);
bool kproxy_health_trusts(struct kproxy_server *server);

#endif /* _KPROXY_HEALTH_H */
