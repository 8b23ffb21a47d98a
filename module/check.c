// SPDX-License-Identifier: GPL-2.0
/*
 * Active checks: a server is up if it accepts a connection and, if the upstream
 * has a text for that, replies as expected. No process waits for a check. A
 * work item begins it; the socket's callbacks or the timeout run the work
 * again, which sends the text, looks at the reply, ends the check and schedules
 * the next.
 *
 * A reply stays in the socket, whose buffer is small, and only its beginning is
 * ever read. However little comes at a time, and however often, the next look
 * at it comes after an eighth of the time that the check has taken so far.
 *
 * The first check of a server comes at a random time within an interval, so
 * that the checks of thousands of servers added at once are spread out. Each
 * further check comes an interval after the one before. The number of works
 * that run at a time is limited per namespace.
 */
#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "addr.h"
#include "check.h"
#include "check-text.h"
#include "compat.h"
#include "connect.h"
#include "events.h"
#include "fault.h"
#include "greeting.h"
#include "health.h"
#include "root.h"
#include "server.h"
#include "slow-start.h"
#include "source.h"
#include "upstream.h"

/* Works of a namespace that may run at a time, a few microseconds each. */
#define CHECK_WORKS 8

/* Receive buffer of a check that reads a reply; the kernel doubles it. */
#define CHECK_RCVBUF 16384

enum check_flag {
	/* The server has accepted the connection. */
	CHECK_CONNECTED,
	/* The connection has failed. */
	CHECK_FAILED,
	/* The work was queued for what has happened to the socket. */
	CHECK_KICKED,
};

/* The state of a check that is under way. */
enum check_verdict {
	CHECK_PENDING,
	CHECK_GOOD,
	CHECK_BAD,
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

static void check_kick(struct kproxy_check *check, unsigned long delay)
{
	if (!test_and_set_bit(CHECK_KICKED, &check->flags))
		mod_delayed_work(check_wq(check), &check->work, delay);
}

/* The socket is locked. Its peer may close it right after it has connected. */
static void check_changed(struct kproxy_sock *ks)
{
	struct kproxy_check *check = sock_check(ks);
	struct sock *sk = ks->sk;

	if (sk->sk_state == TCP_ESTABLISHED && !kproxy_sock_is_own_peer(sk))
		set_bit(CHECK_CONNECTED, &check->flags);
	else if (sk->sk_state == TCP_ESTABLISHED || sk->sk_err ||
		 sk->sk_state == TCP_CLOSE)
		set_bit(CHECK_FAILED, &check->flags);
	else if (!check->text)
		return;
	kproxy_fault_point(KPROXY_POINT_CHECK_CHANGED);
	check_kick(check, 0);
}

/* The socket is locked. */
static void check_data_ready(struct kproxy_sock *ks)
{
	struct kproxy_check *check = sock_check(ks);

	if (check->text)
		check_kick(check, 1 + (jiffies - check->began) / 8);
}

static void check_ignore(struct kproxy_sock *ks)
{
}

static const struct kproxy_sock_ops check_ops = {
	.data_ready = check_data_ready,
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
	if (!answered) {
		set_bit(KPROXY_SERVER_UNHEALTHY, &server->flags);
	} else {
		atomic_set(&server->health.failures, 0);
		if (test_bit(KPROXY_SERVER_UNHEALTHY, &server->flags))
			kproxy_slow_start_begin(server);
		clear_bit(KPROXY_SERVER_UNHEALTHY, &server->flags);
	}
	kproxy_health_changed(server);
	if (!answered && READ_ONCE(options->on_down) == KPROXY_ON_DOWN_RESET &&
	    kproxy_server_is_down(server))
		kproxy_events->server_down(server);
}

/* When @ms milliseconds have passed since the check began, from now on. */
static unsigned long check_left(const struct kproxy_check *check,
				unsigned int ms)
{
	unsigned long due = check->began + msecs_to_jiffies(ms);
	unsigned long now = jiffies;

	return time_after(due, now) ? due - now : 0;
}

static void check_close(struct kproxy_check *check)
{
	kproxy_sock_detach(&check->ks);
	kproxy_sock_abort(&check->ks);
	kproxy_check_text_put(check->text);
	check->text = NULL;
}

/* Where checks of the server connect to. */
static void check_address(struct kproxy_check *check, union kproxy_addr *addr)
{
	u16 port = READ_ONCE(check_options(check)->check_port);

	*addr = check_server(check)->addr;
	if (port)
		addr->v4.sin_port = htons(port);
}

static int check_connect(struct kproxy_check *check)
{
	struct kproxy_server *server = check_server(check);
	union kproxy_addr addr;
	struct socket *socket;
	int err;

	err = kproxy_connect_open(server, server->upstream->owner,
				  KPROXY_CONNECT_FOR_NOBODY, &socket);
	if (err)
		return err;
	check->text = kproxy_upstream_check_text(server->upstream);
	if (check->text)
		sock_set_rcvbuf(socket->sk, CHECK_RCVBUF);
	kproxy_sock_attach_new(&check->ks, socket, &check_ops);
	kproxy_fault_point(KPROXY_POINT_CHECK_CONNECT);
	check_address(check, &addr);
	err = kproxy_source_connect(server, socket, &addr, NULL);
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
	check->sent = false;
	err = check_connect(check);
	if (!err) {
		queue_delayed_work(check_wq(check), &check->work,
				   check_left(check, READ_ONCE(options->timeout)));
		return;
	}
	if (kproxy_health_blames(err))
		check_result(check, false);
	queue_delayed_work(check_wq(check), &check->work,
			   check_left(check, READ_ONCE(options->interval)));
}

/* A server that wants a PROXY header gets one that says it is a check. */
static bool check_send(struct kproxy_check *check)
{
	unsigned int version = READ_ONCE(check_options(check)->send_proxy);
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec vec[2];
	size_t all;

	vec[0].iov_base = (void *)kproxy_greeting_local(version,
							&vec[0].iov_len);
	vec[1].iov_base = (void *)kproxy_check_text_send(check->text);
	vec[1].iov_len = check->text->send_len;
	all = vec[0].iov_len + vec[1].iov_len;
	return !all ||
	       kernel_sendmsg(check->ks.socket, &msg, vec, 2, all) == all;
}

/* How much of a reply there is, as far as it is read; or an error. */
static int check_peek(struct kproxy_check *check, char *reply)
{
	struct kvec vec = { .iov_base = reply,
			    .iov_len = KPROXY_CHECK_REPLY_MAX };
	struct msghdr msg = {};

	return kernel_recvmsg(check->ks.socket, &msg, &vec, 1, vec.iov_len,
			      MSG_PEEK | MSG_DONTWAIT);
}

static enum check_verdict check_read(struct kproxy_check *check)
{
	const struct sock *sk = check->ks.sk;
	/* Read this first: bytes that arrive later cause another look. */
	bool ended = sock_flag(sk, SOCK_DONE) ||
		     test_bit(CHECK_FAILED, &check->flags);
	enum check_verdict verdict = CHECK_PENDING;
	char *reply;
	int len;

	reply = kmalloc(KPROXY_CHECK_REPLY_MAX + 1, GFP_KERNEL);
	if (!reply)
		return CHECK_PENDING;
	len = check_peek(check, reply);
	if (len > 0 && kproxy_check_text_matches(check->text, reply, len))
		verdict = CHECK_GOOD;
	else if (ended || len == KPROXY_CHECK_REPLY_MAX)
		verdict = CHECK_BAD;
	kfree(reply);
	return verdict;
}

static enum check_verdict check_look(struct kproxy_check *check)
{
	if (!test_bit(CHECK_CONNECTED, &check->flags))
		return test_bit(CHECK_FAILED, &check->flags) ? CHECK_BAD :
							       CHECK_PENDING;
	if (!check->text)
		return CHECK_GOOD;
	if (!check->sent && !check_send(check))
		return CHECK_BAD;
	check->sent = true;
	return check_read(check);
}

static void check_continue(struct kproxy_check *check)
{
	const struct kproxy_upstream_options *options = check_options(check);
	unsigned long left = check_left(check, READ_ONCE(options->timeout));
	enum check_verdict verdict;

	clear_bit(CHECK_KICKED, &check->flags);
	/* What happens from here on queues the work again. */
	smp_mb__after_atomic();
	verdict = check_look(check);
	if (verdict == CHECK_PENDING && left) {
		queue_delayed_work(check_wq(check), &check->work, left);
		return;
	}
	kproxy_fault_point(KPROXY_POINT_CHECK_END);
	check_close(check);
	check_result(check, verdict == CHECK_GOOD);
	/* A callback may have queued it before the socket was closed. */
	mod_delayed_work(check_wq(check), &check->work,
			 check_left(check, READ_ONCE(options->interval)));
}

static void check_work(struct work_struct *work)
{
	struct kproxy_check *check = container_of(to_delayed_work(work),
						  struct kproxy_check, work);

	if (check->ks.socket)
		check_continue(check);
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
