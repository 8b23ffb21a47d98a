// SPDX-License-Identifier: GPL-2.0
/*
 * Active checks: a server is up if it accepts a connection. No process waits
 * for a check. A work item begins it; the socket's callback or the timeout runs
 * the work again, which ends the check and schedules the next.
 *
 * The first check of a server comes at a random time within an interval, so
 * that the checks of thousands of servers added at once are spread out. Each
 * further check comes an interval after the one before. The number of works
 * that run at a time is limited per namespace.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "addr.h"
#include "check.h"
#include "compat.h"
#include "connect.h"
#include "fault.h"
#include "health.h"
#include "root.h"
#include "server.h"
#include "upstream.h"

/* Works of a namespace that may run at a time, a few microseconds each. */
#define CHECK_WORKS 8

enum check_flag {
	/* The server has answered. */
	CHECK_ANSWERED,
	/* The server has accepted or refused the connection. */
	CHECK_DONE,
};

static struct kproxy_check *sock_check(struct kproxy_sock *ks)
{
	return container_of(ks, struct kproxy_check, ks);
}

static struct kproxy_server *check_server(struct kproxy_check *check)
{
	return container_of(check, struct kproxy_server, check);
}

static const struct kproxy_upstream_options *
check_options(struct kproxy_check *check)
{
	return &check_server(check)->upstream->options;
}

static struct workqueue_struct *check_wq(struct kproxy_check *check)
{
	return check_server(check)->upstream->obj.kn->check_wq;
}

/* The socket is locked. Its peer may close it right after it has connected. */
static void check_changed(struct kproxy_sock *ks)
{
	struct kproxy_check *check = sock_check(ks);
	struct sock *sk = ks->sk;

	if (sk->sk_state == TCP_ESTABLISHED && !kproxy_sock_is_own_peer(sk))
		set_bit(CHECK_ANSWERED, &check->flags);
	else if (sk->sk_state != TCP_ESTABLISHED && !sk->sk_err && sk->sk_state != TCP_CLOSE)
		return;
	kproxy_fault_point(KPROXY_POINT_CHECK_CHANGED);
	if (!test_and_set_bit(CHECK_DONE, &check->flags))
		mod_delayed_work(check_wq(check), &check->work, 0);
}

static void check_ignore(struct kproxy_sock *ks)
{
}

static const struct kproxy_sock_ops check_ops = {
	.data_ready = check_ignore,
	.write_space = check_ignore,
	.changed = check_changed,
};

/**
 * kproxy_check_judge() - apply a check's result to a server's health
 * @check: the server's checks
 * @answered: the result
 * @rise: results in a row after which a server that is down is up
 * @fall: results in a row after which a server that is up is down
 *
 * While nothing is known, the first result decides.
 *
 * Return: true if the health changed.
 */
bool kproxy_check_judge(struct kproxy_check *check, bool answered,
			unsigned int rise, unsigned int fall)
{
	enum kproxy_health now = answered ? KPROXY_HEALTH_UP :
					    KPROXY_HEALTH_DOWN;

	if (check->health == now) {
		check->contrary = 0;
		return false;
	}
	if (++check->contrary < (answered ? rise : fall) &&
	    check->health != KPROXY_HEALTH_UNKNOWN)
		return false;
	check->contrary = 0;
	WRITE_ONCE(check->health, now);
	return true;
}

static void check_result(struct kproxy_check *check, bool answered)
{
	const struct kproxy_upstream_options *options = check_options(check);
	struct kproxy_server *server = check_server(check);

	if (!kproxy_check_judge(check, answered, READ_ONCE(options->rise),
				READ_ONCE(options->fall)))
		return;
	if (answered)
		clear_bit(KPROXY_SERVER_UNHEALTHY, &server->flags);
	else
		set_bit(KPROXY_SERVER_UNHEALTHY, &server->flags);
	kproxy_health_changed(server);
}

/* Run the work @ms milliseconds after the check began, or at once. */
static void check_again(struct kproxy_check *check, unsigned int ms)
{
	unsigned long due = check->began + msecs_to_jiffies(ms);
	unsigned long now = jiffies;

	queue_delayed_work(check_wq(check), &check->work,
			   time_after(due, now) ? due - now : 0);
}

static void check_close(struct kproxy_check *check)
{
	kproxy_sock_detach(&check->ks);
	kproxy_sock_abort(&check->ks);
}

static int check_connect(struct kproxy_check *check)
{
	struct kproxy_server *server = check_server(check);
	struct socket *socket;
	int err;

	err = kproxy_connect_open(server, server->upstream->owner,
				  KPROXY_CONNECT_FOR_NOBODY, &socket);
	if (err)
		return err;
	kproxy_sock_attach_new(&check->ks, socket, &check_ops);
	kproxy_fault_point(KPROXY_POINT_CHECK_CONNECT);
	err = kproxy_source_connect(server, socket, NULL);
	if (err == -EINPROGRESS)
		return 0;
	check_close(check);
	return err;
}

static void check_begin(struct kproxy_check *check)
{
	const struct kproxy_upstream_options *options = check_options(check);
	int err;

	check->began = jiffies;
	check->flags = 0;
	err = check_connect(check);
	if (!err) {
		check_again(check, READ_ONCE(options->timeout));
		return;
	}
	if (kproxy_health_blames(err))
		check_result(check, false);
	check_again(check, READ_ONCE(options->interval));
}

static void check_end(struct kproxy_check *check)
{
	const struct kproxy_upstream_options *options = check_options(check);
	unsigned int timeout = READ_ONCE(options->timeout);

	if (!test_bit(CHECK_DONE, &check->flags) &&
	    time_before(jiffies, check->began + msecs_to_jiffies(timeout))) {
		check_again(check, timeout);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_CHECK_END);
	check_close(check);
	check_result(check, test_bit(CHECK_ANSWERED, &check->flags));
	check_again(check, READ_ONCE(options->interval));
}

static void check_work(struct work_struct *work)
{
	struct kproxy_check *check = container_of(to_delayed_work(work),
						  struct kproxy_check, work);

	if (check->ks.socket)
		check_end(check);
	else
		check_begin(check);
}

/**
 * kproxy_check_open() - prepare a namespace for checking servers
 * @kn: the namespace's root, its lock held
 *
 * Each namespace has its own workqueue, on which a few works run at a time.
 * Thousands of servers in one namespace therefore don't delay the checks of
 * another.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_check_open(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	if (!kn->check_wq)
		kn->check_wq = alloc_workqueue("kproxy_check", WQ_UNBOUND,
					       CHECK_WORKS);
	return kn->check_wq ? 0 : -ENOMEM;
}

/**
 * kproxy_check_prepare() - set up a server's checks, switched off
 * @server: the server, new
 */
void kproxy_check_prepare(struct kproxy_server *server)
{
	INIT_DELAYED_WORK(&server->check.work, check_work);
	disable_delayed_work(&server->check.work);
}

/**
 * kproxy_check_apply() - apply an upstream's check options to a server
 * @server: the server, its namespace's configuration lock held
 *
 * A check under way goes on, unless checks are switched off. The next check is
 * rescheduled.
 *
 * Context: process, may sleep.
 */
void kproxy_check_apply(struct kproxy_server *server)
{
	struct kproxy_check *check = &server->check;
	unsigned int interval = server->upstream->options.interval;

	lockdep_assert_held(&server->upstream->obj.kn->lock);
	if (server->upstream->options.check == KPROXY_CHECK_OFF) {
		kproxy_check_stop(server);
		return;
	}
	if (!check->on)
		enable_delayed_work(&check->work);
	check->on = true;
	mod_delayed_work(check_wq(check), &check->work,
			 msecs_to_jiffies(get_random_u32_below(interval)));
}

/**
 * kproxy_check_stop() - stop checking a server, and forget its health
 * @server: the server, its namespace's configuration lock held
 *
 * Context: process, may sleep.
 */
void kproxy_check_stop(struct kproxy_server *server)
{
	struct kproxy_check *check = &server->check;

	lockdep_assert_held(&server->upstream->obj.kn->lock);
	if (!check->on)
		return;
	check->on = false;
	/* After this, neither the work nor a callback queues it. */
	disable_delayed_work_sync(&check->work);
	if (check->ks.socket)
		check_close(check);
	check->contrary = 0;
	if (check->health == KPROXY_HEALTH_UNKNOWN)
		return;
	WRITE_ONCE(check->health, KPROXY_HEALTH_UNKNOWN);
	clear_bit(KPROXY_SERVER_UNHEALTHY, &server->flags);
	kproxy_health_changed(server);
}
