// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners: accept clients on some addresses (listen-sock.c), each for a
 * session with a server of their upstream. References are held by the
 * configuration, by sessions and by changes.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "listener.h"
#include "root.h"
#include "route.h"
#include "sample.h"
#include "shared.h"
#include "stats.h"
#include "upstream.h"

#define NUMBER(name, field, def)					\
	KPROXY_OPTION(KPROXY_A_LISTENER_##name,				\
		      struct kproxy_listener_options, field, def)

const struct kproxy_option kproxy_listener_numbers[] = {
	NUMBER(MAXCONN, maxconn, 0),
	NUMBER(BACKLOG, backlog, 4096),
	NUMBER(CONNECT_TIMEOUT, connect_timeout, 5 * MSEC_PER_SEC),
	NUMBER(IDLE_TIMEOUT, idle_timeout, 600 * MSEC_PER_SEC),
	NUMBER(FIN_TIMEOUT, fin_timeout, 60 * MSEC_PER_SEC),
	NUMBER(MAX_AGE, max_age, 0),
	NUMBER(RATE, rate, 0),
	NUMBER(CLIENT_MAXCONN, client_maxconn, 0),
	NUMBER(CLIENT_RATE, client_rate, 0),
	NUMBER(ACCEPT_PROXY, accept_proxy, 0),
	NUMBER(TRANSPARENT, transparent, 0),
	NUMBER(LOG_SAMPLE, log_sample, 1),
	KPROXY_OPTION_END
};

/**
 * kproxy_listener_options_init() - set a listener's options to their defaults
 * @options: the options
 *
 * Context: any.
 */
void kproxy_listener_options_init(struct kproxy_listener_options *options)
{
	*options = (struct kproxy_listener_options){
		.sockopts = KPROXY_SOCKOPTS_DEFAULTS,
	};
	kproxy_options_init(kproxy_listener_numbers, options);
}

static struct kproxy_listener *to_listener(struct kproxy_object *obj)
{
	return container_of(obj, struct kproxy_listener, obj);
}

/* A softirq may still be in the callback of one of its sockets. */
static void listener_free(struct kproxy_object *obj)
{
	struct kproxy_listener *l = to_listener(obj);

	kproxy_stats_free(l->stats);
	free_percpu(l->sample);
	kproxy_prefixes_free(rcu_dereference_protected(l->options.prefixes,
						       true));
	kproxy_routes_free(rcu_dereference_protected(l->routes, true));
	kfree_rcu(l, rcu);
}

static const struct kproxy_object_kind listener_kind = {
	.name = "listener",
	.free = listener_free,
};

/**
 * kproxy_listener_new() - allocate a listener that is in no view yet
 * @kn: the namespace's root, its lock held
 * @name: a valid name
 *
 * The caller has charged it to the quota of objects.
 *
 * Context: process, may sleep.
 * Return: the listener, the caller's; NULL when there is no memory.
 */
struct kproxy_listener *kproxy_listener_new(struct kproxy_net *kn,
					    const char *name)
{
	struct kproxy_listener *l;

	l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;
	l->stats = kproxy_stats_new();
	l->sample = alloc_percpu_gfp(struct kproxy_sample,
				     GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!l->stats || !l->sample) {
		free_percpu(l->sample);
		kproxy_stats_free(l->stats);
		kfree(l);
		return NULL;
	}
	kproxy_object_init(&l->obj, kn, &listener_kind, name);
	spin_lock_init(&l->lock);
	kproxy_rate_init(&l->rate, jiffies);
	return l;
}

/**
 * kproxy_listener_find() - a listener by its name
 * @kn: the namespace's root, its lock held
 * @name: the name
 * @view: the view to look in; a listener that it deletes is found, too
 *
 * Return: the listener, not held, or NULL.
 */
struct kproxy_listener *kproxy_listener_find(struct kproxy_net *kn,
					     const char *name,
					     const struct kproxy_view *view)
{
	struct kproxy_object *obj;

	obj = kproxy_object_find(kn, &listener_kind, name, view);
	return obj ? to_listener(obj) : NULL;
}

/**
 * kproxy_listener_hold() - take a reference
 * @l: the listener, held already or accepting
 *
 * Context: any.
 */
void kproxy_listener_hold(struct kproxy_listener *l)
{
	kproxy_object_hold(&l->obj);
}

/**
 * kproxy_listener_put() - drop a reference
 * @l: the listener
 *
 * Context: any.
 */
void kproxy_listener_put(struct kproxy_listener *l)
{
	kproxy_object_put(&l->obj);
}

/**
 * kproxy_lsocks_kick() - accept who waits, unless that is to happen already
 * @lsocks: the listening sockets
 * @n: how many
 *
 * Context: any. Does nothing for those that do not accept.
 */
void kproxy_lsocks_kick(struct kproxy_listen_sock *lsocks, unsigned int n)
{
	while (n--)
		queue_delayed_work(kproxy_wq, &lsocks[n].accept, 0);
}

/**
 * kproxy_listener_refused() - count a client that was refused
 * @l: the listener, held or accepting
 *
 * Context: any.
 */
void kproxy_listener_refused(struct kproxy_listener *l)
{
	kproxy_stats_inc(l->obj.kn->stats, KPROXY_A_COUNTERS_REFUSED);
	kproxy_stats_inc(l->stats, KPROXY_A_COUNTERS_REFUSED);
}

/**
 * kproxy_listener_session_ended() - one session less: accept who waits for it
 * @l: the listener, held or accepting; the session was counted when its client
 *	was accepted, and may never have begun
 *
 * Context: process.
 */
void kproxy_listener_session_ended(struct kproxy_listener *l)
{
	atomic_dec(&l->obj.sessions);
	/* Pairs with the work's start: it sees this count, or we its limit. */
	smp_mb__after_atomic();
	if (!READ_ONCE(l->options.maxconn))
		return;
	spin_lock(&l->lock);
	kproxy_lsocks_kick(l->lsocks, l->nr_lsocks);
	spin_unlock(&l->lock);
}

/**
 * kproxy_listener_configured_upstream() - the current upstream of a listener
 * @l: the listener, the lock of its namespace's configuration held
 *
 * Context: any.
 * Return: the upstream, not held; NULL for a listener that is not current.
 */
struct kproxy_upstream *
kproxy_listener_configured_upstream(const struct kproxy_listener *l)
{
	return rcu_dereference_protected(l->upstream,
					 lockdep_is_held(&l->obj.kn->lock));
}

/**
 * kproxy_listener_upstream() - who gets a listener's sessions now
 * @l: the listener
 *
 * Context: process.
 * Return: the upstream, held, or NULL when the listener is being deleted.
 */
struct kproxy_upstream *kproxy_listener_upstream(struct kproxy_listener *l)
{
	struct kproxy_upstream *up;

	rcu_read_lock();
	/* One that is about to be freed was replaced. */
	do
		up = rcu_dereference(l->upstream);
	while (up && !kproxy_upstream_tryhold(up));
	rcu_read_unlock();
	return up;
}
