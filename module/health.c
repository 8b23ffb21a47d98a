// SPDX-License-Identifier: GPL-2.0
/*
 * The health of servers, as sessions find out about it: a server that so many
 * of them in a row could not connect to is ejected, which means that it gets no
 * more of them for a while. After that it begins anew. What checks have found
 * out is in check.c.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>

#include "choice.h"
#include "compat.h"
#include "events.h"
#include "fault.h"
#include "health.h"
#include "server.h"
#include "upstream.h"

/* Softirq. */
static void health_back(struct timer_list *timer)
{
	struct kproxy_server *server =
		timer_container_of(server, timer, health.back);

	atomic_set(&server->health.failures, 0);
	clear_bit(KPROXY_SERVER_EJECTED, &server->flags);
	kproxy_health_changed(server);
}

/**
 * kproxy_health_init() - nothing is known of a server
 * @server: the server, new
 */
void kproxy_health_init(struct kproxy_server *server)
{
	timer_setup(&server->health.back, health_back, 0);
}

/**
 * kproxy_health_forgive() - bring a server back before its time
 * @server: the server, ejected or not
 *
 * Context: any.
 */
void kproxy_health_forgive(struct kproxy_server *server)
{
	mod_timer_pending(&server->health.back, jiffies);
}

/**
 * kproxy_health_stop() - nobody wants to know any more
 * @server: the server, which is deleted
 *
 * Context: process, may sleep.
 */
void kproxy_health_stop(struct kproxy_server *server)
{
	timer_shutdown_sync(&server->health.back);
}

/**
 * kproxy_health_get() - what is known of a server
 * @server: the server
 *
 * That it does not answer says more than that it was ejected for it.
 *
 * Context: any.
 * Return: its health.
 */
enum kproxy_health kproxy_health_get(const struct kproxy_server *server)
{
	enum kproxy_health checked = READ_ONCE(server->check.health);

	if (checked != KPROXY_HEALTH_DOWN &&
	    test_bit(KPROXY_SERVER_EJECTED, &server->flags))
		return KPROXY_HEALTH_EJECTED;
	return checked;
}

/**
 * kproxy_health_changed() - more is known of a server
 * @server: the server; its flags tell already
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
 * kproxy_health_connected() - a session has been answered
 * @server: by this server, held
 *
 * Context: any.
 */
void kproxy_health_connected(struct kproxy_server *server)
{
	/* Nearly always nothing to write. */
	if (atomic_read(&server->health.failures))
		atomic_set(&server->health.failures, 0);
}

/**
 * kproxy_health_failed() - a session could not connect
 * @server: to this server, held
 *
 * Context: process.
 */
void kproxy_health_failed(struct kproxy_server *server)
{
	const struct kproxy_upstream_options *options =
		&server->upstream->options;
	unsigned int limit = READ_ONCE(options->eject);

	if (atomic_inc_return(&server->health.failures) < limit || !limit)
		return;
	if (test_bit(KPROXY_SERVER_GONE, &server->flags) ||
	    test_and_set_bit(KPROXY_SERVER_EJECTED, &server->flags))
		return;
	kproxy_fault_point(KPROXY_POINT_HEALTH_FAILED);
	mod_timer(&server->health.back, jiffies +
		  msecs_to_jiffies(READ_ONCE(options->eject_time)));
	kproxy_health_changed(server);
}

/**
 * kproxy_health_blames() - whether the server is to blame for a failure
 * @err: what creating or connecting a socket has said
 *
 * Context: any.
 * Return: false when this host lacks something.
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
	/* A program of the owner's cgroup has refused the address. */
	case -EPERM:
		return false;
	default:
		return true;
	}
}
