// SPDX-License-Identifier: GPL-2.0
/*
 * The listening sockets that a change gives a listener. An address that a listener
 * gives up in a view can go to another listener, together with its socket and the
 * clients in the backlog.
 */
#include <linux/minmax.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <net/sock.h>

#include "listen-sock.h"
#include "listener.h"
#include "listener-change.h"
#include "listener-exchange.h"
#include "quota.h"
#include "root.h"
#include "source.h"

static void set_refusal(int err, const union kproxy_addr *addr,
			struct netlink_ext_ack *extack)
{
	const char *why;

	switch (err) {
	case -EADDRINUSE:
		why = "is already in use";
		break;
	case -EADDRNOTAVAIL:
		why = "is not local";
		break;
	case -EAFNOSUPPORT:
		why = "is of a disabled address family";
		break;
	case -ENODEV:
		why = "has an unknown interface";
		break;
	case -EINVAL:
		why = "cannot be listened on";
		break;
	case -EPERM:
	case -EACCES:
		why = "is denied by the cgroup or the security module";
		break;
	default:
		return;
	}
	if (addr->sa.sa_family == AF_UNSPEC)
		NL_SET_ERR_MSG_FMT(extack, "address *:%u %s",
				   ntohs(kproxy_addr_port(addr)), why);
	else
		NL_SET_ERR_MSG_FMT(extack, "address %pISpc %s", addr, why);
}

/**
 * kproxy_exchange_new() - give a change new addresses
 * @c: the change, not staged yet
 * @view: the view that it is for
 * @addrs: the addresses, each different
 * @n: how many, at least one
 * @extack: gets the reason of a refusal; of an address, its number is in the view
 *
 * An address that another listener has gets its socket when the change is
 * prepared.
 *
 * Context: process, may sleep.
 * Return: 0; -EDQUOT; -ENOMEM; what opening a socket says. The change is to be
 * freed then.
 */
int kproxy_exchange_new(struct kproxy_listener_change *c, struct kproxy_view *view,
			const union kproxy_addr *addrs, unsigned int n,
			struct netlink_ext_ack *extack)
{
	struct kproxy_quota *quota = c->l->obj.quota;
	int err;

	err = kproxy_quota_charge(quota, KPROXY_QUOTA_OBJECTS, n, extack);
	if (err)
		return err;
	c->lsocks = kproxy_lsocks_new(c->l, addrs, n);
	if (!c->lsocks) {
		kproxy_quota_uncharge(quota, KPROXY_QUOTA_OBJECTS, n);
		return -ENOMEM;
	}
	c->nr_lsocks = n;
	err = kproxy_lsocks_bind(c->lsocks, n, c->options.transparent, view);
	if (err)
		set_refusal(err, &addrs[view->bad], extack);
	return err;
}

/* Claim the donor, if its listener gives it up and nobody else claims it. */
static bool lsock_claim(struct kproxy_listen_sock *lsock,
			const struct kproxy_view *view)
{
	struct kproxy_listen_sock *donor = lsock->donor;
	const struct kproxy_listener_change *c =
		kproxy_listener_change_of(donor->listener, view);

	if (!c || donor->donates || (!c->next.gone && !c->lsocks))
		return false;
	donor->donates = true;
	lsock->claims = true;
	return true;
}

/* The listening sockets that it will have. */
static struct kproxy_listen_sock *
change_lsocks(const struct kproxy_listener_change *c, unsigned int *n)
{
	*n = c->lsocks ? c->nr_lsocks : c->l->nr_lsocks;
	return c->lsocks ?: c->l->lsocks;
}

/*
 * Change the options of a listening socket, or back: for the clients that come
 * from now on, whose window's scale depends on them.
 */
static int lsock_apply(const struct kproxy_listener_change *c,
		       const struct kproxy_listen_sock *lsock, bool back)
{
	const struct kproxy_sockopts *to = &c->options.sockopts;
	const struct kproxy_sockopts *from;
	struct socket *socket;
	enum kproxy_sockopt bad;

	if (lsock->donor)
		from = &lsock->donor->listener->options.sockopts;
	else
		from = c->lsocks ? &kproxy_sockopts_defaults :
				  &c->l->options.sockopts;
	if (back)
		swap(from, to);
	socket = lsock->donor ? lsock->donor->ks.socket : lsock->ks.socket;
	return kproxy_sockopts_apply(socket, KPROXY_SOCKOPTS_LISTEN, from, to,
				     &bad);
}

/* @err was said of a listening socket. */
static int refuse_lsock(const struct kproxy_listener_change *c, unsigned int i,
			int err, struct netlink_ext_ack *extack)
{
	c->next.view->bad = i;
	set_refusal(err, &c->lsocks[i].addr, extack);
	return err;
}

/* Without transparent, a listener cannot keep an address that is not local. */
static int check_local(const struct kproxy_listener_change *c,
		       struct netlink_ext_ack *extack)
{
	const struct kproxy_listen_sock *lsocks;
	const struct kproxy_listener *was;
	const union kproxy_addr *addr;
	unsigned int i, n;

	if (c->options.transparent)
		return 0;
	lsocks = change_lsocks(c, &n);
	for (i = 0; i < n; i++) {
		was = lsocks[i].donor ? lsocks[i].donor->listener : c->l;
		addr = &lsocks[i].addr;
		if (!was->options.transparent ||
		    addr->sa.sa_family == AF_UNSPEC ||
		    kproxy_source_try(c->l->obj.kn->net, addr) != -EADDRNOTAVAIL)
			continue;
		if (c->lsocks)
			c->next.view->bad = i;
		set_refusal(-EADDRNOTAVAIL, addr, extack);
		return -EADDRNOTAVAIL;
	}
	return 0;
}

/**
 * kproxy_exchange_prepare() - have the listening sockets ready
 * @c: the change, of a listener that is not deleted
 * @extack: gets the reason of a refusal; of an address, its number is in the view
 *
 * Context: process, may sleep.
 * Return: 0; -EADDRINUSE for an address that no other listener gives up; what
 * setting options and listening says. kproxy_exchange_undo() takes back what was
 * done, also after a failure.
 */
int kproxy_exchange_prepare(struct kproxy_listener_change *c,
			    struct netlink_ext_ack *extack)
{
	struct kproxy_listen_sock *lsocks;
	unsigned int i, n;
	int err;

	for (i = 0; i < c->nr_lsocks; i++)
		if (c->lsocks[i].donor &&
		    !lsock_claim(&c->lsocks[i], c->next.view))
			return refuse_lsock(c, i, -EADDRINUSE, extack);
	err = check_local(c, extack);
	if (err)
		return err;
	lsocks = change_lsocks(c, &n);
	for (i = 0; i < n; i++) {
		err = lsock_apply(c, &lsocks[i], false);
		if (err) {
			NL_SET_ERR_MSG(extack,
				       "a socket option was refused");
			return err;
		}
		c->applied++;
	}
	for (i = 0; i < c->nr_lsocks; i++) {
		if (c->lsocks[i].donor)
			continue;
		err = kernel_listen(c->lsocks[i].ks.socket, c->options.backlog);
		if (err)
			return refuse_lsock(c, i, err, extack);
		kproxy_sock_delay_acks(c->lsocks[i].ks.sk);
	}
	return 0;
}

/**
 * kproxy_exchange_undo() - take back what kproxy_exchange_prepare() did
 * @c: the change, which was not published
 *
 * Context: process, may sleep.
 */
void kproxy_exchange_undo(struct kproxy_listener_change *c)
{
	struct kproxy_listen_sock *lsocks;
	unsigned int n;

	lsocks = change_lsocks(c, &n);
	while (c->applied)
		lsock_apply(c, &lsocks[--c->applied], true);
}

/**
 * kproxy_exchange_swap() - give a listener other listening sockets
 * @l: the listener, its namespace's lock held
 * @lsocks: the new ones, and then the old ones
 * @n: how many
 *
 * Context: process.
 */
void kproxy_exchange_swap(struct kproxy_listener *l,
			  struct kproxy_listen_sock **lsocks, unsigned int *n)
{
	spin_lock(&l->lock);
	swap(l->lsocks, *lsocks);
	swap(l->nr_lsocks, *n);
	spin_unlock(&l->lock);
}

/**
 * kproxy_exchange_publish() - give a listener the listening sockets of a change
 * @c: the change, prepared; its sockets are the old ones afterwards
 *
 * Context: process.
 */
void kproxy_exchange_publish(struct kproxy_listener_change *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_lsocks; i++) {
		if (!c->lsocks[i].donor)
			continue;
		kproxy_lsock_take_over(&c->lsocks[i]);
		/* A callback that is running may still use the donor. */
		c->change.grace = true;
	}
	kproxy_exchange_swap(c->l, &c->lsocks, &c->nr_lsocks);
}
