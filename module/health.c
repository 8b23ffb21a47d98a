// SPDX-License-Identifier: GPL-2.0
/*
 * Health of servers as seen by sessions. One that has failed a session is avoided by
 * the next ones, unless there is no other. A server is ejected after a number of
 * failed connects in a row: it gets no new sessions for a while. After that the
 * count starts at 0. check.c has the health found by checks.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>

#include "choice.h"
#include "compat.h"
#include "events.h"
#include "fault.h"
#include "health.h"
#include "server.h"
#include "slow-start.h"
#include "upstream.h"

/* How long a server that has failed a session is not tried first. */
#define RETRY_AFTER HZ

/* Softirq. The time of an ejection is over. */
static void health_back(struct timer_list *timer)
{
	struct kproxy_server *server =
		timer_container_of(server, timer, health.back);

	atomic_set(&server->health.failures, 0);
	kproxy_slow_start_begin(server);
	clear_bit(KPROXY_SERVER_EJECTED, &server->flags);
	kproxy_health_changed(server);
}

/**
 * kproxy_health_init() - set up the health of a server
 * @server: the server, new
 */
void kproxy_health_init(struct kproxy_server *server)
{
	timer_setup(&server->health.back, health_back, 0);
}

/**
 * kproxy_health_forgive() - end a server's ejection now
 * @server: the server, ejected or not
 *
 * Context: any.
 */
void kproxy_health_forgive(struct kproxy_server *server)
{
	mod_timer_pending(&server->health.back, jiffies);
}

/**
 * kproxy_health_stop() - stop the ejection timer of a server
 * @server: the server, which is being deleted
 *
 * Context: process, may sleep.
 */
void kproxy_health_stop(struct kproxy_server *server)
{
	timer_shutdown_sync(&server->health.back);
}

/**
 * kproxy_health_get() - return the health of a server
 * @server: the server
 *
 * A health that was set takes precedence over checks, and down over an ejection.
 *
 * Context: any.
 * Return: its health.
 */
enum kproxy_health kproxy_health_get(const struct kproxy_server *server)
{
	enum kproxy_health checked = READ_ONCE(server->check.health);
	enum kproxy_health_set set = READ_ONCE(server->options.health);

	if (set != KPROXY_HEALTH_SET_AUTO)
		checked = set == KPROXY_HEALTH_SET_UP ? KPROXY_HEALTH_UP :
							KPROXY_HEALTH_DOWN;
	if (checked != KPROXY_HEALTH_DOWN &&
	    test_bit(KPROXY_SERVER_EJECTED, &server->flags))
		return KPROXY_HEALTH_EJECTED;
	return checked;
}

/**
 * kproxy_health_ejected_ms() - return how long a server stays ejected
 * @server: the server, ejected
 *
 * Context: any.
 * Return: milliseconds; 0 if its time is over.
 */
unsigned int kproxy_health_ejected_ms(const struct kproxy_server *server)
{
	/* The timer may expire or be moved meanwhile; this is for people. */
	long left = data_race(server->health.back.expires) - jiffies;

	return left > 0 ? jiffies_to_msecs(left) : 0;
}

/**
 * kproxy_health_changed() - act on a changed health
 * @server: the server; its flags are already up to date
 *
 * Context: any.
 */
void kproxy_health_changed(struct kproxy_server *server)
{
	kproxy_choice_build_soon(&server->upstream->choice);
	kproxy_preconnect_refill(server);
	kproxy_events->server_health(server);
}

/**
 * kproxy_health_connected() - note a successful connect
 * @server: the server, held
 *
 * Context: any.
 */
void kproxy_health_connected(struct kproxy_server *server)
{
	/* Compare first, because it is nearly always 0. */
	if (atomic_read(&server->health.failures))
		atomic_set(&server->health.failures, 0);
}

/**
 * kproxy_health_failed() - note a failed connect
 * @server: the server, held
 *
 * Context: process.
 */
void kproxy_health_failed(struct kproxy_server *server)
{
	const struct kproxy_upstream_options *options =
		&server->upstream->options;
	unsigned int limit = READ_ONCE(options->eject), failures;

	WRITE_ONCE(server->health.retry, jiffies + RETRY_AFTER);
	failures = atomic_inc_return(&server->health.failures);
	if (failures < limit || !limit)
		return;
	if (test_bit(KPROXY_SERVER_GONE, &server->flags) ||
	    test_and_set_bit(KPROXY_SERVER_EJECTED, &server->flags))
		return;
	WRITE_ONCE(server->health.ejected, failures);
	kproxy_fault_point(KPROXY_POINT_HEALTH_FAILED);
	mod_timer(&server->health.back, jiffies +
		  msecs_to_jiffies(READ_ONCE(options->eject_time)));
	kproxy_health_changed(server);
}

/**
 * kproxy_health_trusts() - check whether a session should try a server first
 * @server: the server, held
 *
 * A server that has failed the last session is tried by one session a second, until
 * one has connected to it; the others choose it only if there is no other. Where
 * servers are ejected, each session counts; and without retries, each server gets
 * its share of sessions.
 *
 * Context: any.
 * Return: false if others are to be preferred.
 */
bool kproxy_health_trusts(struct kproxy_server *server)
{
	const struct kproxy_upstream_options *options =
		&server->upstream->options;
	unsigned long due;

	if (likely(!atomic_read(&server->health.failures)) ||
	    READ_ONCE(options->eject) || !READ_ONCE(options->retries))
		return true;
	due = READ_ONCE(server->health.retry);
	return time_after_eq(jiffies, due) &&
	       cmpxchg(&server->health.retry, due, jiffies + RETRY_AFTER) == due;
}

/**
 * kproxy_health_blames() - check whether a server is to blame for a failure
 * @err: the error of creating or connecting a socket
 *
 * Context: any.
 * Return: false if the cause is on this host.
 */
bool kproxy_health_blames(int err)
{
	switch (err) {
	case -ENOMEM:
	case -ENOBUFS:
	case -ENFILE:
	case -EMFILE:
	case -EADDRNOTAVAIL:
	case -EAFNOSUPPORT:
	/* A BPF program of the owner's cgroup has refused the address. */
	case -EPERM:
		return false;
	default:
		return true;
	}
}
