// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of servers. Each is a part of a change of its upstream
 * (upstream-change.c), so that sessions see all of them or nothing.
 */
#include <linux/netlink.h>
#include <linux/slab.h>

#include "choice-pick.h"
#include "events.h"
#include "fault.h"
#include "quota.h"
#include "root.h"
#include "server.h"
#include "server-change.h"
#include "slow-start.h"
#include "transaction.h"
#include "upstream.h"
#include "upstream-change.h"

/**
 * kproxy_server_stop() - stop what connects to a server other than sessions
 * @server: the server, which is deleted
 *
 * Context: process, may sleep.
 */
void kproxy_server_stop(struct kproxy_server *server)
{
	kproxy_check_stop(server);
	kproxy_fault_point(KPROXY_POINT_SERVER_DEL);
	kproxy_health_stop(server);
	kproxy_preconnect_stop(server);
}

static void server_appear(struct kproxy_server *server)
{
	server->states.now = true;
	server->upstream->nr_servers++;
}

/**
 * kproxy_server_change_takes_down() - whether a change resets live sessions
 * @c: the change
 *
 * Return: true if it sets the server down.
 */
bool kproxy_server_change_takes_down(const struct kproxy_server_change *c)
{
	return c->fate == KPROXY_SERVER_SET &&
	       c->next.options.state == KPROXY_SERVER_STATE_DOWN;
}

/* The choice of servers changes with the options of one. */
static void server_set(struct kproxy_server_change *c)
{
	const struct kproxy_server_options *options = &c->next.options;
	struct kproxy_server *server = c->server;
	bool usable = kproxy_server_usable(server);

	c->health = server->options.health != options->health;
	kproxy_options_publish(kproxy_server_numbers, &server->options, options);
	strscpy(server->options.name, options->name);
	if (!usable && kproxy_server_usable(server))
		kproxy_slow_start_begin(server);
	if (options->restore)
		kproxy_choice_restore(&server->upstream->choice,
				      kproxy_server_priority(options));
}

/**
 * kproxy_server_change_publish() - make a change seen
 * @c: the change, the lock of its upstream's choice held
 *
 * Context: process.
 */
void kproxy_server_change_publish(struct kproxy_server_change *c)
{
	lockdep_assert_held(&c->server->upstream->choice.lock);
	switch (c->fate) {
	case KPROXY_SERVER_ADD:
		server_appear(c->server);
		break;
	case KPROXY_SERVER_SET:
		server_set(c);
		break;
	case KPROXY_SERVER_DEL:
		kproxy_server_unlink(c->server);
		break;
	}
}

/**
 * kproxy_server_change_notify() - announce a change
 * @c: the change, published
 *
 * Context: process, may sleep.
 */
void kproxy_server_change_notify(const struct kproxy_server_change *c)
{
	static const u8 events[] = {
		[KPROXY_SERVER_ADD] = KPROXY_CMD_SERVER_ADD_NTF,
		[KPROXY_SERVER_SET] = KPROXY_CMD_SERVER_SET_NTF,
		[KPROXY_SERVER_DEL] = KPROXY_CMD_SERVER_DEL_NTF,
	};

	kproxy_events->server(c->server, events[c->fate]);
}

/* The health of a server was set, or is left to checks again. */
static void server_health_set(struct kproxy_server *server)
{
	kproxy_health_changed(server);
	if (server->upstream->options.on_down == KPROXY_ON_DOWN_RESET &&
	    kproxy_server_is_down(server))
		kproxy_events->server_down(server);
}

/* Apply the consequences of a published change. */
static void server_settle(const struct kproxy_server_change *c)
{
	struct kproxy_server *server = c->server;

	switch (c->fate) {
	case KPROXY_SERVER_ADD:
		kproxy_check_apply(server);
		if (server->upstream->options.preconnect)
			kproxy_preconnect_apply(server);
		break;
	case KPROXY_SERVER_SET:
		if (server->upstream->options.preconnect)
			kproxy_preconnect_apply(server);
		if (c->health)
			server_health_set(server);
		break;
	case KPROXY_SERVER_DEL:
		kproxy_server_stop(server);
		break;
	}
}

/* The server was never current. */
static void server_withdraw(struct kproxy_server *server)
{
	struct kproxy_choice *choice = &server->upstream->choice;

	mutex_lock(&choice->lock);
	kproxy_server_unlink(server);
	mutex_unlock(&choice->lock);
}

/**
 * kproxy_server_change_finish() - end a change
 * @c: the change, freed; its upstream's change was published or not
 * @published: which
 *
 * Context: process, may sleep.
 */
void kproxy_server_change_finish(struct kproxy_server_change *c, bool published)
{
	struct kproxy_server *server = c->server;

	kproxy_next_del(&server->states, &c->next.next);
	if (published)
		server_settle(c);
	else if (c->fate == KPROXY_SERVER_ADD)
		server_withdraw(server);
	/* What the upstream has of it, or would have had. */
	if (c->fate == (published ? KPROXY_SERVER_DEL : KPROXY_SERVER_ADD))
		kproxy_server_put(server);
	kproxy_server_put(server);
	kfree(c);
}

/* What the caller has of a new server is the change's, then the upstream's. */
static int server_stage(struct kproxy_view *view, struct kproxy_server *server,
			enum kproxy_server_fate fate,
			const struct kproxy_server_options *options)
{
	struct kproxy_upstream_change *uc;
	struct kproxy_server_change *c;

	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return -ENOMEM;
	uc = kproxy_upstream_change_get(view, server->upstream);
	if (!uc) {
		kfree(c);
		return -ENOMEM;
	}
	c->server = server;
	kproxy_server_hold(server);
	c->fate = fate;
	c->next.options = *options;
	c->next.next.gone = fate == KPROXY_SERVER_DEL;
	kproxy_next_add(&server->states, &c->next.next, view);
	list_add_tail(&c->node, &uc->servers);
	if (fate == KPROXY_SERVER_ADD)
		kproxy_server_link(server);
	uc->more += (fate == KPROXY_SERVER_ADD) - (fate == KPROXY_SERVER_DEL);
	return 0;
}

/* Refuse a second change in a view of a server, or of one whose upstream goes. */
static int server_check_first(const struct kproxy_server *server,
			      const struct kproxy_view *view,
			      struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&server->upstream->obj.kn->lock);
	if (kproxy_next(&server->states, view) ||
	    !kproxy_in_view(&server->upstream->obj.states, view))
		return kproxy_change_twice(extack);
	return 0;
}

/**
 * kproxy_server_add() - add a server to an upstream
 * @view: the view to add it to
 * @up: the upstream, found there, its namespace's lock held
 * @addr: its address, one that can be connected to
 * @options: its options
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST for a duplicate; -ENOSPC for too many; -EDQUOT;
 * -ENOMEM; -EBUSY when the view has deleted the upstream.
 */
int kproxy_server_add(struct kproxy_view *view, struct kproxy_upstream *up,
		      const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	const struct kproxy_upstream_change *c = kproxy_upstream_change_of(up, view);
	unsigned int size = up->nr_servers + (c ? c->more : 0);
	struct kproxy_server *server;
	int err;

	lockdep_assert_held(&up->obj.kn->lock);
	if (c && c->next.gone)
		return kproxy_change_twice(extack);
	if (size >= KPROXY_SERVERS_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "an upstream has at most %u servers",
				   size);
		return -ENOSPC;
	}
	if (kproxy_server_find(up, addr, view)) {
		NL_SET_ERR_MSG(extack, "the upstream already has this server");
		return -EEXIST;
	}
	err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_OBJECTS, 1,
				  extack);
	if (err)
		return err;
	server = kproxy_server_new(up, addr, options);
	if (!server) {
		kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_OBJECTS, 1);
		return -ENOMEM;
	}
	kproxy_health_init(server);
	kproxy_check_prepare(server);
	err = kproxy_preconnect_prepare(server) ?:
	      server_stage(view, server, KPROXY_SERVER_ADD, options);
	if (err)
		kproxy_server_put(server);
	return err;
}

/**
 * kproxy_server_set() - change a server
 * @view: the view to change it in
 * @server: the server, found there, its namespace's lock held
 * @options: its options from then on; live sessions are reset when it is taken
 *	down, and go on otherwise
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has a change of it already.
 */
int kproxy_server_set(struct kproxy_view *view, struct kproxy_server *server,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack)
{
	int err = server_check_first(server, view, extack);

	return err ?: server_stage(view, server, KPROXY_SERVER_SET, options);
}

/**
 * kproxy_server_del() - remove a server; its live sessions go on
 * @view: the view to remove it from
 * @server: the server, found there, its namespace's lock held
 * @extack: gets the reason of a refusal
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EBUSY when the view has a change of it already.
 */
int kproxy_server_del(struct kproxy_view *view, struct kproxy_server *server,
		      struct netlink_ext_ack *extack)
{
	int err = server_check_first(server, view, extack);

	return err ?: server_stage(view, server, KPROXY_SERVER_DEL, &server->options);
}
