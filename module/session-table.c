// SPDX-License-Identifier: GPL-2.0
/*
 * The sessions of a namespace, by number: find them, walk them, and kill those
 * that a filter selects.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/wait_bit.h>

#include "fault.h"
#include "listener.h"
#include "root.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-pump.h"
#include "session-splice.h"
#include "session-table.h"
#include "upstream.h"

static const struct rhashtable_params session_params = {
	.key_len = sizeof_field(struct kproxy_session, id),
	.key_offset = offsetof(struct kproxy_session, id),
	.head_offset = offsetof(struct kproxy_session, node),
	.automatic_shrinking = true,
};

/**
 * kproxy_session_table_init() - set up a namespace's table of sessions
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

/* Most ids that a CPU takes at once. */
#define ID_RANGE 64U

/*
 * How many ids to take at once: what is given here in a quarter of a tick. With
 * few sessions the ids are in the order of their beginnings.
 */
static unsigned int id_range(struct kproxy_net_cpu *cpu, unsigned long now)
{
	if (cpu->tick != now) {
		cpu->before = cpu->tick + 1 == now ? cpu->given : 0;
		cpu->given = 0;
		cpu->tick = now;
	}
	cpu->given++;
	return clamp(cpu->before / 4, 1U, ID_RANGE);
}

/**
 * kproxy_session_new_id() - number the next session
 * @kn: the root of its namespace
 *
 * Context: process.
 * Return: a number that no other session has had.
 */
u64 kproxy_session_new_id(struct kproxy_net *kn)
{
	struct kproxy_net_cpu *cpu = get_cpu_ptr(kn->cpus);
	unsigned int range = id_range(cpu, jiffies);
	u64 id;

	if (!cpu->ids) {
		cpu->next_id = atomic64_fetch_add(range, &kn->last_id) + 1;
		cpu->ids = range;
	}
	cpu->ids--;
	id = cpu->next_id++;
	put_cpu_ptr(kn->cpus);
	return id;
}

/**
 * kproxy_session_table_insert() - add a session to its table
 * @s: the session, whose number is not in the table
 *
 * Context: process.
 * Return: 0; -ENOMEM if memory is short, or if the table is too full to grow
 * now, which rhashtable reports as -EBUSY or -E2BIG.
 */
int kproxy_session_table_insert(struct kproxy_session *s)
{
	int err = kproxy_fault_insert() ?:
		  rhashtable_insert_fast(&s->kn->sessions, &s->node,
					 session_params);

	return err ? -ENOMEM : 0;
}

/**
 * kproxy_session_table_remove() - remove a session from its table
 * @s: the session; readers that found it before may still use it under RCU
 *
 * Context: process.
 */
void kproxy_session_table_remove(struct kproxy_session *s)
{
	rhashtable_remove_fast(&s->kn->sessions, &s->node, session_params);
}

/**
 * kproxy_session_match() - check whether a filter selects a session
 * @s: the session
 * @filter: the filter
 *
 * Context: RCU read-side critical section.
 * Return: true if it does.
 */
bool kproxy_session_match(const struct kproxy_session *s,
			  const struct kproxy_session_filter *filter)
{
	const union kproxy_addr *server =
		kproxy_session_server_addr(s, rcu_dereference(s->server));

	if (filter->by_id && s->id != filter->id)
		return false;
	if (filter->listener &&
	    strcmp(kproxy_session_listener(s), filter->listener))
		return false;
	/* A session without a server matches no server. */
	if (filter->upstream &&
	    strcmp(kproxy_session_upstream(s), filter->upstream))
		return false;
	if (filter->server &&
	    !(server && kproxy_addr_equal(server, filter->server)))
		return false;
	return !filter->client ||
	       kproxy_addr_in_prefix(&s->client, filter->client,
				     filter->client_bits);
}

/*
 * Sessions to visit before rescheduling. This also bounds the walk's RCU
 * read-side critical sections.
 */
#define WALK_BATCH 256

/**
 * kproxy_session_walk_init() - set up a walk through all sessions
 * @walk: the walk, for kproxy_session_walk_exit()
 * @kn: the namespace's root, kproxy_net_used()
 *
 * The walk finds every session that exists all the time. It may find one twice
 * if the table is resized, which @restarts counts.
 *
 * Context: process.
 */
void kproxy_session_walk_init(struct kproxy_session_walk *walk,
			      struct kproxy_net *kn)
{
	*walk = (struct kproxy_session_walk){ .kn = kn };
	rhashtable_walk_enter(&kn->sessions, &walk->iter);
}

/**
 * kproxy_session_walk_exit() - end a walk
 * @walk: the walk, not begun
 *
 * Context: process.
 */
void kproxy_session_walk_exit(struct kproxy_session_walk *walk)
{
	rhashtable_walk_exit(&walk->iter);
}

/**
 * kproxy_session_walk_begin() - begin or resume a walk
 * @walk: the walk; begins an RCU read-side critical section
 *
 * Context: process.
 */
void kproxy_session_walk_begin(struct kproxy_session_walk *walk)
	__acquires(RCU)
{
	walk->looked = 0;
	walk->resumed = true;
	if (rhashtable_walk_start_check(&walk->iter) != -EAGAIN) {
		/*
		 * The last session has ended, and perhaps others of its bucket,
		 * so the count of those to skip is void. Walk the bucket again.
		 */
		if (!walk->iter.p && walk->iter.skip > 1) {
			walk->iter.skip = 0;
			walk->last = NULL;
			walk->restarts++;
		}
		return;
	}
	/*
	 * The table was resized and freed. Start over with a fresh iterator,
	 * because that of older kernels still points into the old table.
	 */
	rhashtable_walk_stop(&walk->iter);
	rhashtable_walk_exit(&walk->iter);
	rhashtable_walk_enter(&walk->kn->sessions, &walk->iter);
	rhashtable_walk_start(&walk->iter);
	walk->last = NULL;
	walk->restarts++;
}

/**
 * kproxy_session_walk_end() - pause a walk
 * @walk: the walk; sessions that it found may be freed from here on
 *
 * Context: process.
 */
void kproxy_session_walk_end(struct kproxy_session_walk *walk)
	__releases(RCU)
{
	rhashtable_walk_stop(&walk->iter);
}

static struct kproxy_session *walk_step(struct kproxy_session_walk *walk)
{
	struct kproxy_session *s;

	if (!walk->resumed)
		return rhashtable_walk_next(&walk->iter);
	walk->resumed = false;
	/* Peek returns the session of the last call, unless it has ended. */
	s = rhashtable_walk_peek(&walk->iter);
	if (s && s == walk->last)
		s = rhashtable_walk_next(&walk->iter);
	return s;
}

/**
 * kproxy_session_walk_next() - find the next session
 * @walk: the walk, begun
 *
 * This may end the critical section and begin another one, so sessions found
 * before may be gone.
 *
 * Context: process, may sleep, in no other critical section.
 * Return: the session, until the next call; NULL at the end.
 */
struct kproxy_session *kproxy_session_walk_next(struct kproxy_session_walk *walk)
{
	struct kproxy_session *s;

	if (walk->looked++ == WALK_BATCH) {
		kproxy_session_walk_end(walk);
		cond_resched();
		kproxy_session_walk_begin(walk);
		walk->looked++;
	}
	while (IS_ERR(s = walk_step(walk))) {
		walk->last = NULL;
		walk->restarts++;
	}
	walk->last = s;
	return s;
}

/**
 * kproxy_session_walk_again() - return the same session by the next call
 * @walk: the walk, which has found one
 *
 * Context: process.
 */
void kproxy_session_walk_again(struct kproxy_session_walk *walk)
{
	walk->last = NULL;
}

/**
 * kproxy_session_lookup() - find a session by its number
 * @kn: the namespace's root
 * @id: the number
 *
 * Context: RCU read-side critical section.
 * Return: the session, or NULL.
 */
struct kproxy_session *kproxy_session_lookup(struct kproxy_net *kn, u64 id)
{
	if (!kproxy_net_used(kn))
		return NULL;
	return rhashtable_lookup(&kn->sessions, &id, session_params);
}

/* Under RCU. Return: true if this ended the session. */
static bool session_kill(struct kproxy_session *s, enum kproxy_reason reason)
{
	bool killed;

	if (!refcount_inc_not_zero(&s->refs))
		return false;
	kproxy_fault_point(KPROXY_POINT_KILL);
	killed = kproxy_session_event(s, KPROXY_EV_KILL, reason);
	kproxy_session_put(s);
	return killed;
}

typedef bool (*session_test)(const struct kproxy_session *s, const void *arg);

/* Kill the sessions that pass a test; one that is found twice counts once. */
static unsigned int session_kill_walk(struct kproxy_net *kn, session_test test,
				      const void *arg,
				      enum kproxy_reason reason)
{
	struct kproxy_session_walk walk;
	struct kproxy_session *s;
	unsigned int killed = 0;

	if (!kproxy_net_used(kn) || !atomic_read(&kn->sessions.nelems))
		return 0;
	kproxy_session_walk_init(&walk, kn);
	kproxy_session_walk_begin(&walk);
	while ((s = kproxy_session_walk_next(&walk)))
		if (test(s, arg))
			killed += session_kill(s, reason);
	kproxy_session_walk_end(&walk);
	kproxy_session_walk_exit(&walk);
	return killed;
}

static void count_stalls(struct kproxy_net *kn)
{
	struct kproxy_session_walk walk;
	struct kproxy_session *s;
	enum kproxy_side from;

	kproxy_session_walk_init(&walk, kn);
	kproxy_session_walk_begin(&walk);
	while ((s = kproxy_session_walk_next(&walk))) {
		if ((!kproxy_pump_stalls(&s->pumps[KPROXY_CLIENT]) &&
		     !kproxy_pump_stalls(&s->pumps[KPROXY_SERVER])) ||
		    !refcount_inc_not_zero(&s->refs))
			continue;
		for (from = KPROXY_CLIENT; from < KPROXY_SIDES; from++)
			kproxy_session_count_stall(s, from);
		kproxy_session_put(s);
	}
	kproxy_session_walk_end(&walk);
	kproxy_session_walk_exit(&walk);
}

/*
 * A count of stalls stays valid for STALLS_SHARE times as long as it took,
 * within these limits, in jiffies.
 */
#define STALLS_FRESH (HZ / 10 ?: 1)
#define STALLS_FRESH_MAX HZ
#define STALLS_SHARE 16

static bool stalls_fresh(const struct kproxy_net *kn)
{
	unsigned long fresh = READ_ONCE(kn->stalls_fresh);

	return fresh && time_before(jiffies, READ_ONCE(kn->stalls_at) + fresh);
}

/**
 * kproxy_session_count_stalls() - add ongoing stalls to the counters
 * @kn: the namespace's root
 *
 * Otherwise a stall is counted when it ends. Any user can read counters in a
 * loop, so only one caller at a time walks the sessions. The others use the
 * result of a moment ago.
 *
 * Context: process, may sleep.
 */
void kproxy_session_count_stalls(struct kproxy_net *kn)
{
	unsigned long began, took;

	if (!kproxy_net_used(kn) || !atomic_read(&kn->sessions.nelems) ||
	    stalls_fresh(kn))
		return;
	mutex_lock(&kn->stalls_lock);
	if (!stalls_fresh(kn)) {
		began = jiffies;
		count_stalls(kn);
		took = jiffies - began;
		WRITE_ONCE(kn->stalls_at, jiffies);
		WRITE_ONCE(kn->stalls_fresh,
			   clamp(STALLS_SHARE * took, STALLS_FRESH,
				 STALLS_FRESH_MAX));
	}
	mutex_unlock(&kn->stalls_lock);
}

static bool test_filter(const struct kproxy_session *s, const void *arg)
{
	return kproxy_session_match(s, arg);
}

static bool test_listener(const struct kproxy_session *s, const void *arg)
{
	return s->listener == arg;
}

/* Whether its server, in this upstream, is down. */
static bool test_down(const struct kproxy_session *s, const void *arg)
{
	const struct kproxy_server *server = rcu_dereference(s->server);

	return server && server->upstream == arg &&
	       READ_ONCE(server->options.state) == KPROXY_SERVER_STATE_DOWN;
}

/* Whether it is this server's. */
static bool test_server(const struct kproxy_session *s, const void *arg)
{
	return rcu_access_pointer(s->server) == arg;
}

static bool test_any(const struct kproxy_session *s, const void *arg)
{
	return true;
}

static bool kill_one(struct kproxy_net *kn,
		     const struct kproxy_session_filter *filter)
{
	struct kproxy_session *s;
	bool killed = false;

	rcu_read_lock();
	s = kproxy_session_lookup(kn, filter->id);
	if (s && kproxy_session_match(s, filter))
		killed = session_kill(s, KPROXY_REASON_KILLED);
	rcu_read_unlock();
	return killed;
}

/**
 * kproxy_session_kill() - reset the sessions that a filter selects
 * @kn: the namespace's root
 * @filter: the filter
 *
 * Context: process, may sleep.
 * Return: how many were reset.
 */
unsigned int kproxy_session_kill(struct kproxy_net *kn,
				 const struct kproxy_session_filter *filter)
{
	if (filter->by_id)
		return kill_one(kn, filter);
	return session_kill_walk(kn, test_filter, filter,
				 KPROXY_REASON_KILLED);
}

/**
 * kproxy_session_kill_listener() - reset the sessions of a listener
 * @l: the listener, which no longer accepts
 *
 * Context: process, may sleep.
 */
void kproxy_session_kill_listener(const struct kproxy_listener *l)
{
	session_kill_walk(l->obj.kn, test_listener, l,
			  KPROXY_REASON_LISTENER_DELETED);
}

/**
 * kproxy_session_kill_some() - reset some sessions of a listener
 * @walk: where the last call has stopped; not begun
 * @l: the listener, which no longer accepts
 * @most: how many to reset
 *
 * Context: process, may sleep.
 * Return: how many were reset; fewer than @most at the end of the walk.
 */
unsigned int kproxy_session_kill_some(struct kproxy_session_walk *walk,
				      const struct kproxy_listener *l,
				      unsigned int most)
{
	struct kproxy_session *s;
	unsigned int killed = 0;

	kproxy_session_walk_begin(walk);
	while (killed < most && (s = kproxy_session_walk_next(walk)))
		if (test_listener(s, l))
			killed += session_kill(s,
					       KPROXY_REASON_LISTENER_DELETED);
	kproxy_session_walk_end(walk);
	return killed;
}

/**
 * kproxy_session_kill_down() - reset the sessions of servers that are down
 * @up: the upstream of the servers, which get no new sessions
 *
 * Context: process, may sleep.
 */
void kproxy_session_kill_down(const struct kproxy_upstream *up)
{
	session_kill_walk(up->obj.kn, test_down, up, KPROXY_REASON_SERVER_DOWN);
}

/*
 * Whether the memory of a session may still refer to the namespace, in which no
 * session begins any more: a sum of counts that only fall is 0 when all are
 * gone.
 */
static bool sessions_live(const struct kproxy_net *kn)
{
	long live = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		live += READ_ONCE(per_cpu_ptr(kn->cpus, cpu)->live);
	/* Pairs with that of kproxy_session_put(). */
	smp_mb();
	return live;
}

/**
 * kproxy_session_kill_server() - reset the sessions of a server
 * @server: the server, held, which gets no new sessions
 *
 * Context: process, may sleep.
 */
void kproxy_session_kill_server(const struct kproxy_server *server)
{
	/* A session that the walk misses sees that the server is down. */
	smp_mb();
	session_kill_walk(server->upstream->obj.kn, test_server, server,
			  KPROXY_REASON_SERVER_DOWN);
}

/**
 * kproxy_session_kill_all() - reset all sessions and wait until they are gone
 * @kn: the namespace's root; nothing accepts in it
 *
 * Context: process, sleeps.
 */
void kproxy_session_kill_all(struct kproxy_net *kn)
{
	/* One that has not seen this does not wake us up, so look now and then. */
	WRITE_ONCE(kn->ending, true);
	do {
		session_kill_walk(kn, test_any, NULL, KPROXY_REASON_SHUTDOWN);
		kproxy_fault_point(KPROXY_POINT_KILL_ALL);
	} while (!wait_var_event_timeout(&kn->ending, !sessions_live(kn),
					 HZ / 10));
}
