// SPDX-License-Identifier: GPL-2.0
/*
 * What an upstream is charged for: idle connections and checks of its servers, which
 * the limits of its namespace bound.
 */
#include <linux/cpumask.h>
#include <linux/math.h>
#include <linux/minmax.h>

#include "quota.h"
#include "upstream.h"
#include "upstream-charge.h"

/* What an upstream needs of the limits of its namespace. */
static void upstream_needs(const struct kproxy_upstream_options *options,
			   unsigned int servers, u64 *connections, u64 *checks)
{
	*connections = (u64)options->preconnect * servers * num_online_cpus();
	*checks = 0;
	if (options->check != KPROXY_CHECK_OFF)
		*checks = DIV_ROUND_UP_ULL(1000ULL * MSEC_PER_SEC * servers,
					   options->interval);
}

/**
 * kproxy_upstream_charge() - charge what a change needs in addition
 * @up: the upstream, its namespace's lock held
 * @options: its options after the change
 * @more: how many servers the change adds, less those that it deletes
 * @charge: gets what was charged, also when this fails; kproxy_upstream_settle()
 *	uncharges what is not needed
 * @extack: gets the reason of a refusal
 *
 * Context: process.
 * Return: 0 or -EDQUOT.
 */
int kproxy_upstream_charge(struct kproxy_upstream *up,
			   const struct kproxy_upstream_options *options,
			   int more, struct kproxy_upstream_charge *charge,
			   struct netlink_ext_ack *extack)
{
	u64 connections, checks;
	int err;

	if (!up->obj.quota)
		return 0;
	upstream_needs(options, up->nr_servers + more, &connections, &checks);
	/* A change that asks for no more is not refused because CPUs came online. */
	if (connections > up->connections &&
	    (more > 0 || options->preconnect > up->options.preconnect)) {
		connections -= up->connections;
		err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_CONNECTIONS,
					  connections, extack);
		if (err)
			return err;
		charge->connections = connections;
	}
	if (checks > up->checks) {
		checks -= up->checks;
		err = kproxy_quota_charge(up->obj.quota, KPROXY_QUOTA_CHECKS,
					  checks, extack);
		if (err)
			return err;
		charge->checks = checks;
	}
	return 0;
}

/**
 * kproxy_upstream_settle() - uncharge what a change did not need or has freed
 * @up: the upstream, its namespace's lock held
 * @charge: what was charged for the change
 * @published: the change was made
 *
 * Context: process.
 */
void kproxy_upstream_settle(struct kproxy_upstream *up,
			    const struct kproxy_upstream_charge *charge,
			    bool published)
{
	u64 connections = up->connections, checks = up->checks;

	if (!up->obj.quota)
		return;
	if (published)
		upstream_needs(&up->options, up->nr_servers, &connections,
			       &checks);
	/* A CPU that came online meanwhile is not charged for. */
	connections = min(connections, up->connections + charge->connections);
	checks = min(checks, up->checks + charge->checks);
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CONNECTIONS,
			      up->connections + charge->connections -
			      connections);
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CHECKS,
			      up->checks + charge->checks - checks);
	up->connections = connections;
	up->checks = checks;
}

/**
 * kproxy_upstream_uncharge() - uncharge all that an upstream was charged for
 * @up: the upstream, which is deleted, its namespace's lock held
 *
 * Context: process.
 */
void kproxy_upstream_uncharge(struct kproxy_upstream *up)
{
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CONNECTIONS,
			      up->connections);
	kproxy_quota_uncharge(up->obj.quota, KPROXY_QUOTA_CHECKS, up->checks);
}
