// SPDX-License-Identifier: GPL-2.0
/*
 * Upstreams: servers, how to choose among them and how to connect to them.
 * References are held by the configuration, servers, listeners, routes, sessions
 * and changes. A deleted upstream is freed after its last session and a grace
 * period, because session dumps read its name under RCU.
 */
#include <linux/netlink.h>
#include <linux/slab.h>

#include "check-text.h"
#include "owner.h"
#include "root.h"
#include "upstream.h"

#define NUMBER(name, field, def, ...)					\
	KPROXY_OPTION(KPROXY_A_UPSTREAM_##name,				\
		      struct kproxy_upstream_options, field, def, __VA_ARGS__)

const struct kproxy_option kproxy_upstream_numbers[] = {
	NUMBER(BALANCE, balance, KPROXY_BALANCE_ROUNDROBIN),
	NUMBER(RETRIES, retries, 2),
	NUMBER(EJECT, eject, 0),
	NUMBER(EJECT_TIME, eject_time, 30 * MSEC_PER_SEC),
	NUMBER(CHECK, check, KPROXY_CHECK_OFF,
	       .restarts = KPROXY_RESTART_CHECKS),
	NUMBER(INTERVAL, interval, 2 * MSEC_PER_SEC,
	       .restarts = KPROXY_RESTART_CHECKS),
	NUMBER(TIMEOUT, timeout, 1 * MSEC_PER_SEC),
	NUMBER(RISE, rise, 2),
	NUMBER(FALL, fall, 3),
	NUMBER(SEND_PROXY, send_proxy, KPROXY_SEND_PROXY_OFF),
	NUMBER(PRECONNECT, preconnect, 0),
	NUMBER(CHECK_PORT, check_port, 0, .restarts = KPROXY_RESTART_CHECKS),
	NUMBER(FAILBACK, failback, KPROXY_SWITCH_ON),
	NUMBER(ON_DOWN, on_down, KPROXY_ON_DOWN_KEEP),
	NUMBER(SLOW_START, slow_start, 0),
	NUMBER(FAIL_OPEN, fail_open, KPROXY_SWITCH_OFF),
	KPROXY_OPTION_END
};

/**
 * kproxy_upstream_options_init() - set an upstream's options to their defaults
 * @options: the options
 *
 * Context: any.
 */
void kproxy_upstream_options_init(struct kproxy_upstream_options *options)
{
	*options = (struct kproxy_upstream_options){
		.sockopts = KPROXY_SOCKOPTS_DEFAULTS,
	};
	kproxy_options_init(kproxy_upstream_numbers, options);
}

static struct kproxy_upstream *to_upstream(struct kproxy_object *obj)
{
	return container_of(obj, struct kproxy_upstream, obj);
}

static void upstream_free(struct kproxy_object *obj)
{
	struct kproxy_upstream *up = to_upstream(obj);

	kproxy_owner_free(up->owner);
	kproxy_check_text_put(up->options.check_text);
	kproxy_turns_destroy(&up->choice.turns);
	kfree_rcu(up, rcu);
}

static const struct kproxy_object_kind upstream_kind = {
	.name = "upstream",
	.free = upstream_free,
};

/**
 * kproxy_upstream_set_sockopts() - change the options of sockets to its servers
 * @up: the upstream, its namespace's lock held
 * @opts: the options of sockets from now on
 *
 * Context: process.
 */
void kproxy_upstream_set_sockopts(struct kproxy_upstream *up,
				  const struct kproxy_sockopts *opts)
{
	spin_lock(&up->lock);
	up->options.sockopts = *opts;
	spin_unlock(&up->lock);
	WRITE_ONCE(up->sockopts_set,
		   kproxy_sockopts_differ(&kproxy_sockopts_defaults, opts));
}

/**
 * kproxy_upstream_set_source() - change where its servers are connected from
 * @up: the upstream, its namespace's lock held
 * @source: where, from now on
 *
 * Context: process.
 */
void kproxy_upstream_set_source(struct kproxy_upstream *up,
				const struct kproxy_source *source)
{
	spin_lock(&up->lock);
	write_seqcount_begin(&up->source_seq);
	up->options.source = *source;
	write_seqcount_end(&up->source_seq);
	spin_unlock(&up->lock);
}

/**
 * kproxy_upstream_swap_check_text() - change what checks of its servers send
 * @up: the upstream, its namespace's lock held
 * @text: what they send and expect from now on, or NULL; what they did until now
 *	when this returns. Its reference goes along.
 *
 * Context: process.
 */
void kproxy_upstream_swap_check_text(struct kproxy_upstream *up,
				     struct kproxy_check_text **text)
{
	spin_lock(&up->lock);
	swap(up->options.check_text, *text);
	spin_unlock(&up->lock);
}

/**
 * kproxy_upstream_check_text() - what a check of its servers sends
 * @up: the upstream, held
 *
 * Context: process.
 * Return: the text, for kproxy_check_text_put(); NULL if it only connects.
 */
struct kproxy_check_text *kproxy_upstream_check_text(struct kproxy_upstream *up)
{
	struct kproxy_check_text *text;

	spin_lock(&up->lock);
	text = kproxy_check_text_hold(up->options.check_text);
	spin_unlock(&up->lock);
	return text;
}

/**
 * kproxy_upstream_new() - allocate an upstream that is in no view yet
 * @kn: the namespace's root, its lock held
 * @name: a valid name
 * @options: its options
 *
 * The caller has charged it to the quota of objects, and initializes its choice.
 *
 * Context: process, may sleep.
 * Return: the upstream, the caller's; -ENOMEM; what kproxy_owner_new() says.
 */
struct kproxy_upstream *
kproxy_upstream_new(struct kproxy_net *kn, const char *name,
		    const struct kproxy_upstream_options *options)
{
	struct kproxy_upstream *up;
	int err;

	up = kzalloc(sizeof(*up), GFP_KERNEL_ACCOUNT);
	if (!up)
		return ERR_PTR(-ENOMEM);
	up->owner = kproxy_owner_new(kn->net);
	if (IS_ERR(up->owner)) {
		err = PTR_ERR(up->owner);
		kfree(up);
		return ERR_PTR(err);
	}
	kproxy_object_init(&up->obj, kn, &upstream_kind, name);
	INIT_LIST_HEAD(&up->servers);
	hash_init(up->by_addr);
	spin_lock_init(&up->lock);
	seqcount_spinlock_init(&up->source_seq, &up->lock);
	up->options = *options;
	kproxy_check_text_hold(up->options.check_text);
	kproxy_upstream_set_sockopts(up, &options->sockopts);
	return up;
}

/**
 * kproxy_upstream_find() - an upstream by its name
 * @kn: the namespace's root, its lock held
 * @name: the name
 * @view: the view to look in; an upstream that it deletes is found, too
 *
 * Return: the upstream, not held, or NULL.
 */
struct kproxy_upstream *kproxy_upstream_find(struct kproxy_net *kn,
					     const char *name,
					     const struct kproxy_view *view)
{
	struct kproxy_object *obj;

	obj = kproxy_object_find(kn, &upstream_kind, name, view);
	return obj ? to_upstream(obj) : NULL;
}

/**
 * kproxy_upstream_sockopts() - what the sockets to its servers are to be like
 * @up: the upstream, held
 * @opts: where the options go
 *
 * Context: process.
 * Return: false, with @opts untouched, when they are the defaults.
 */
bool kproxy_upstream_sockopts(struct kproxy_upstream *up,
			      struct kproxy_sockopts *opts)
{
	if (!READ_ONCE(up->sockopts_set))
		return false;
	spin_lock(&up->lock);
	*opts = up->options.sockopts;
	spin_unlock(&up->lock);
	return true;
}

/**
 * kproxy_upstream_hold() - take a reference
 * @up: the upstream, held already or found under its namespace's lock
 *
 * Context: any.
 */
void kproxy_upstream_hold(struct kproxy_upstream *up)
{
	kproxy_object_hold(&up->obj);
}

/**
 * kproxy_upstream_tryhold() - take a reference, if there is one still
 * @up: the upstream, found under RCU
 *
 * Context: RCU read-side critical section.
 * Return: false if it is about to be freed.
 */
bool kproxy_upstream_tryhold(struct kproxy_upstream *up)
{
	return refcount_inc_not_zero(&up->obj.refs);
}

/**
 * kproxy_upstream_put() - drop a reference
 * @up: the upstream
 *
 * Context: any.
 */
void kproxy_upstream_put(struct kproxy_upstream *up)
{
	kproxy_object_put(&up->obj);
}
