// SPDX-License-Identifier: GPL-2.0
/*
 * The sessions of a namespace, by number: finding them, and ending those that
 * somebody means.
 */
#include <linux/jiffies.h>
#include <linux/rhashtable.h>
#include <linux/wait_bit.h>

#include "fault.h"
#include "listener.h"
#include "netns.h"
#include "session.h"
#include "session-pump.h"
#include "session-table.h"
#include "upstream.h"

static const struct rhashtable_params session_params = {
	.key_len = sizeof_field(struct kproxy_session, id),
	.key_offset = offsetof(struct kproxy_session, id),
	.head_offset = offsetof(struct kproxy_session, node),
	.automatic_shrinking = true,
};

/**
 * kproxy_session_table_init() - make a namespace's table of sessions
 * @kn: the namespace's root
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_session_table_init(struct kproxy_net *kn)
{
	return rhashtable_init(&kn->sessions, &session_params);
}

/**
 * kproxy_session_table_destroy() - free a namespace's table of sessions
 * @kn: the namespace's root; no session is left
 *
 * Context: process, may sleep.
 */
void kproxy_session_table_destroy(struct kproxy_net *kn)
{
	rhashtable_destroy(&kn->sessions);
}

/**
 * kproxy_session_table_insert() - let a session be found
 * @s: the session, whose number is not in the table
 *
 * Context: process.
 * Return: 0; -ENOMEM when memory is short, or the table too full to grow now,
 * which rhashtable calls -EBUSY or -E2BIG.
 */
int kproxy_session_table_insert(struct kproxy_session *s)
{
	int err = kproxy_fault_insert() ?:
		  rhashtable_insert_fast(&s->kn->sessions, &s->node,
					 session_params);

	return err ? -ENOMEM : 0;
}

/**
 * kproxy_session_table_remove() - let a session be found no more
 * @s: the session; who has found it before may look at it under RCU still
 *
 * Context: process.
 */
void kproxy_session_table_remove(struct kproxy_session *s)
{
	rhashtable_remove_fast(&s->kn->sessions, &s->node, session_params);
}

/**
 * kproxy_session_match() - whether a filter means a session
 * @s: the session
 * @filter: the filter
 *
 * Context: RCU read-side critical section.
 * Return: true if it does.
 */
bool kproxy_session_match(const struct kproxy_session *s,
			  const struct kproxy_session_filter *filter)
{
	const struct kproxy_server *server = rcu_dereference(s->server);

	if (filter->by_id && s->id != filter->id)
		return false;
	if (filter->listener && strcmp(s->listener->name, filter->listener))
		return false;
	/* One that has no server yet is with none. */
	if (filter->upstream &&
	    strcmp(READ_ONCE(s->upstream)->name, filter->upstream))
		return false;
	if (filter->server &&
	    !(server && kproxy_addr_equal(&server->addr, filter->server)))
		return false;
	return !filter->client ||
	       kproxy_addr_in_prefix(&s->client, filter->client,
				     filter->client_bits);
}

typedef bool (*session_test)(const struct kproxy_session *s, const void *arg);

/*
 * Kill what a test means, @most at most. A table that grows meanwhile makes the
 * walk begin again; a session that is killed twice is killed once.
 */
static unsigned int session_kill_walk(struct kproxy_net *kn, session_test test,
				      const void *arg, unsigned int most,
				      enum kproxy_reason reason)
{
	struct rhashtable_iter iter;
	struct kproxy_session *s;
	unsigned int killed = 0;

	rhashtable_walk_enter(&kn->sessions, &iter);
	rhashtable_walk_start(&iter);
	while (killed < most && (s = rhashtable_walk_next(&iter))) {
		if (IS_ERR(s))
			continue;
		if (!test(s, arg) || !refcount_inc_not_zero(&s->refs))
			continue;
		kproxy_fault_point(KPROXY_POINT_KILL);
		killed += kproxy_session_event(s, KPROXY_EV_KILL, reason);
		kproxy_session_put(s);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return killed;
}

/**
 * kproxy_session_count_stalls() - count the stalls that go on, up to now
 * @kn: the namespace's root
 *
 * Otherwise they are counted when they are over.
 *
 * Context: process, may sleep.
 */
void kproxy_session_count_stalls(struct kproxy_net *kn)
{
	struct rhashtable_iter iter;
	struct kproxy_session *s;
	enum kproxy_side source;

	rhashtable_walk_enter(&kn->sessions, &iter);
	rhashtable_walk_start(&iter);
	while ((s = rhashtable_walk_next(&iter))) {
		if (IS_ERR(s) ||
		    (!kproxy_pump_stalls(&s->pumps[KPROXY_CLIENT]) &&
		     !kproxy_pump_stalls(&s->pumps[KPROXY_SERVER])) ||
		    !refcount_inc_not_zero(&s->refs))
			continue;
		for (source = KPROXY_CLIENT; source < KPROXY_SIDES; source++)
			kproxy_session_count_stall(s, source);
		kproxy_session_put(s);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

static bool test_filter(const struct kproxy_session *s, const void *arg)
{
	return kproxy_session_match(s, arg);
}

static bool test_listener(const struct kproxy_session *s, const void *arg)
{
	return s->listener == arg;
}

static bool test_server(const struct kproxy_session *s, const void *arg)
{
	return rcu_access_pointer(s->server) == arg;
}

static bool test_any(const struct kproxy_session *s, const void *arg)
{
	return true;
}

/**
 * kproxy_session_kill() - reset the sessions that a filter means
 * @kn: the namespace's root
 * @filter: the filter
 *
 * Context: process, may sleep.
 * Return: how many were hit.
 */
unsigned int kproxy_session_kill(struct kproxy_net *kn,
				 const struct kproxy_session_filter *filter)
{
	return session_kill_walk(kn, test_filter, filter, UINT_MAX,
				 KPROXY_REASON_KILLED);
}

/**
 * kproxy_session_kill_listener() - reset the sessions of a listener
 * @l: the listener, which accepts no more
 *
 * Context: process, may sleep.
 */
void kproxy_session_kill_listener(const struct kproxy_listener *l)
{
	session_kill_walk(l->kn, test_listener, l, UINT_MAX,
			  KPROXY_REASON_LISTENER_DELETED);
}

/**
 * kproxy_session_kill_some() - reset some sessions of a listener
 * @l: the listener, which accepts no more
 * @most: how many
 *
 * Context: process, may sleep.
 * Return: how many were hit.
 */
unsigned int kproxy_session_kill_some(const struct kproxy_listener *l,
				      unsigned int most)
{
	return session_kill_walk(l->kn, test_listener, l, most,
				 KPROXY_REASON_LISTENER_DELETED);
}

/**
 * kproxy_session_kill_server() - reset the sessions with a server
 * @server: the server, which gets no more
 *
 * Context: process, may sleep.
 */
void kproxy_session_kill_server(const struct kproxy_server *server)
{
	session_kill_walk(server->upstream->kn, test_server, server,
			  UINT_MAX, KPROXY_REASON_SERVER_DOWN);
}

/**
 * kproxy_session_kill_all() - reset all sessions and wait until they are gone
 * @kn: the namespace's root, in which nothing accepts
 *
 * Context: process, sleeps.
 */
void kproxy_session_kill_all(struct kproxy_net *kn)
{
	do {
		session_kill_walk(kn, test_any, NULL, UINT_MAX,
				  KPROXY_REASON_SHUTDOWN);
		kproxy_fault_point(KPROXY_POINT_KILL_ALL);
	} while (!wait_var_event_timeout(&kn->live, !atomic_read(&kn->live),
					 HZ / 10));
}
