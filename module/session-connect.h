/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_CONNECT_H
#define _KPROXY_SESSION_CONNECT_H

#include <linux/lockdep.h>
#include <linux/rcupdate.h>

#include "session.h"

struct kproxy_server;
struct kproxy_waiter;

/**
 * kproxy_session_server() - return a session's current server
 * @s: the session, its life locked
 *
 * Return: the server, or NULL while it has none.
 */
static inline struct kproxy_server *
kproxy_session_server(const struct kproxy_session *s)
{
	return rcu_dereference_protected(s->server, lockdep_is_held(&s->life));
}

int kproxy_session_choose(struct kproxy_session *s);
void kproxy_session_assign(struct kproxy_session *s,
			   struct kproxy_server *server);
void kproxy_session_enqueue(struct kproxy_session *s);
void kproxy_session_dequeue(struct kproxy_session *s);
void kproxy_session_wake(struct kproxy_waiter *waiter);
void kproxy_session_connect(struct kproxy_session *s);
void kproxy_session_connect_step(struct kproxy_session *s);
void kproxy_session_connect_changed(struct kproxy_session *s);
void kproxy_session_connect_failed(struct kproxy_session *s);

#endif /* _KPROXY_SESSION_CONNECT_H */
