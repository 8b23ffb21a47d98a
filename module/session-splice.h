/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_SPLICE_H
#define _KPROXY_SESSION_SPLICE_H

#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "listener.h"
#include "pump.h"
#include "server.h"
#include "session.h"
#include "sock.h"
#include "upstream.h"

struct kproxy_quota_user;
struct socket;

/* What a splice has beyond a session. Fields without a note are constant. */
struct kproxy_splice {
	struct kproxy_session *session;
	/* of each socket that the session has */
	struct kproxy_sock_loan loans[KPROXY_SIDES];
	/*
	 * The kernel's end of the pair of which the program has the other. Set
	 * to NULL by @watch, read by the end of the session after that.
	 */
	struct socket *control;
	/* in the queue of @control until kproxy_splice_quiet() or @watch */
	struct wait_queue_entry wait;
	/* looks whether the program has closed its sockets, if it goes on then */
	struct delayed_work watch;
	/* charged until the program is told; referenced by the session */
	struct kproxy_quota_user *user;
	/* the peer of b */
	union kproxy_addr server;
	/* under both sockets' locks: bit 0: a's stream was passed on, 1: b's */
	u32 eof;
	/* the sockets were given back, by the end of the session; see wait_var_event() */
	bool ended;
	bool detach;
	/* who began it may configure the namespace */
	bool admin;
	char label[KPROXY_NAME_MAX + 1];
};

/* The listener and the upstream of a splice, for those who list sessions. */
extern const char kproxy_splice_name[KPROXY_NAME_MAX + 1];

/**
 * kproxy_session_listener() - return the name of a session's listener
 * @s: the session
 *
 * Return: the name, KPROXY_NAME_MAX + 1 bytes; "-" for a splice.
 */
static inline const char *
kproxy_session_listener(const struct kproxy_session *s)
{
	return s->listener ? s->listener->obj.name : kproxy_splice_name;
}

/**
 * kproxy_session_upstream() - return the name of a session's upstream
 * @s: the session
 *
 * Return: the name, KPROXY_NAME_MAX + 1 bytes; "-" for a splice.
 */
static inline const char *
kproxy_session_upstream(const struct kproxy_session *s)
{
	const struct kproxy_upstream *up = READ_ONCE(s->upstream);

	return up ? up->obj.name : kproxy_splice_name;
}

/**
 * kproxy_session_server_addr() - return the address of a session's server
 * @s: the session
 * @server: its server, or NULL
 *
 * Return: the address, NULL while there is none.
 */
static inline const union kproxy_addr *
kproxy_session_server_addr(const struct kproxy_session *s,
			   const struct kproxy_server *server)
{
	if (server)
		return &server->addr;
	return s->splice ? &s->splice->server : NULL;
}

void kproxy_splice_changed(struct kproxy_session *s, enum kproxy_side side);
bool kproxy_splice_runs(struct kproxy_session *s);
bool kproxy_splice_shut(struct kproxy_session *s, enum kproxy_side source);
void kproxy_splice_passed(struct kproxy_session *s, enum kproxy_side source,
			  enum kproxy_pump_result result);
int kproxy_splice_wake(struct wait_queue_entry *wait, unsigned int mode,
		       int flags, void *key);
void kproxy_splice_watch(struct work_struct *work);
void kproxy_splice_quiet(struct kproxy_session *s);
void kproxy_splice_return(struct kproxy_session *s);
bool kproxy_splice_sampled(const struct kproxy_session *s, u32 *omitted);
void kproxy_splice_let_go(struct kproxy_session *s);

#endif /* _KPROXY_SESSION_SPLICE_H */
