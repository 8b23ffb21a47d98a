// SPDX-License-Identifier: GPL-2.0
/*
 * The root of what kproxy has in a network namespace. It holds no reference to
 * the namespace: when that goes away, or the module does, everything in it is
 * taken down first.
 */
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "drain.h"
#include "fault.h"
#include "listener.h"
#include "log.h"
#include "netns.h"
#include "session-table.h"
#include "transaction.h"
#include "upstream.h"

static unsigned int kproxy_net_id __read_mostly;

/**
 * kproxy_net() - what kproxy has in a namespace
 * @net: the namespace, held by the caller
 *
 * Context: any.
 * Return: the root; it lives as long as the namespace and the module.
 */
struct kproxy_net *kproxy_net(struct net *net)
{
	return net_generic(net, kproxy_net_id);
}

/**
 * kproxy_net_changed() - note that the configuration has changed
 * @kn: the namespace's root, its lock held
 */
void kproxy_net_changed(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	/* What is staged is no change yet. */
	if (!kn->staging)
		kn->changes++;
}

/**
 * kproxy_net_totals() - the counters of a namespace
 * @kn: the namespace's root
 * @sum: what was counted since they were reset
 * @reset: whether to count from here on
 *
 * The counters themselves only grow, so that no count is lost by a reset.
 *
 * Context: process, takes the configuration lock.
 */
void kproxy_net_totals(struct kproxy_net *kn, struct kproxy_stats *sum,
		       bool reset)
{
	struct kproxy_stats now;
	int i;

	mutex_lock(&kn->lock);
	kproxy_stats_sum(kn->stats, &now);
	for (i = 0; i < KPROXY_COUNTERS; i++)
		sum->count[i] = now.count[i] - kn->base.count[i];
	if (reset)
		kn->base = now;
	mutex_unlock(&kn->lock);
}

static int __net_init netns_init(struct net *net)
{
	struct kproxy_net *kn = kproxy_net(net);
	int err;

	kn->net = net;
	mutex_init(&kn->lock);
	INIT_LIST_HEAD(&kn->listeners);
	INIT_LIST_HEAD(&kn->upstreams);
	INIT_LIST_HEAD(&kn->new_upstreams);
	hash_init(kn->upstream_names);
	INIT_LIST_HEAD(&kn->new_listeners);
	kproxy_transaction_init(kn);
	kproxy_listener_init(kn);
	kproxy_drain_init(kn);
	kn->stats = kproxy_stats_new();
	if (!kn->stats)
		return -ENOMEM;
	err = kproxy_session_table_init(kn);
	if (err)
		goto err_stats;
	err = kproxy_admission_init(&kn->admission);
	if (err)
		goto err_table;
	return 0;

err_table:
	kproxy_session_table_destroy(kn);
err_stats:
	kproxy_stats_free(kn->stats);
	return err;
}

/*
 * Nobody configures any more: the namespace or the netlink family is gone. This
 * comes before the end of the namespace's devices, so that peers can be told.
 */
static void __net_exit netns_pre_exit(struct net *net)
{
	struct kproxy_net *kn = kproxy_net(net);

	mutex_lock(&kn->lock);
	kproxy_transaction_drop(kn);
	kproxy_listener_del_all(kn);
	kproxy_upstream_stop_all(kn);
	mutex_unlock(&kn->lock);
	kproxy_listener_stop(kn);
	kproxy_fault_point(KPROXY_POINT_NETNS_EXIT);
	kproxy_drain_stop(kn);
	kproxy_session_kill_all(kn);
}

static void __net_exit netns_exit(struct net *net)
{
	struct kproxy_net *kn = kproxy_net(net);

	mutex_lock(&kn->lock);
	kproxy_upstream_del_all(kn);
	mutex_unlock(&kn->lock);
	kproxy_admission_destroy(&kn->admission);
	kproxy_session_table_destroy(kn);
	kproxy_log_close(kn->log);
	kproxy_stats_free(kn->stats);
}

static struct pernet_operations kproxy_net_ops = {
	.init = netns_init,
	.pre_exit = netns_pre_exit,
	.exit = netns_exit,
	.id = &kproxy_net_id,
	.size = sizeof(struct kproxy_net),
};

/**
 * kproxy_netns_init() - set up every namespace, now and later
 *
 * Context: process, may sleep.
 * Return: 0 or a negative errno.
 */
int kproxy_netns_init(void)
{
	return register_pernet_subsys(&kproxy_net_ops);
}

/**
 * kproxy_netns_exit() - take down what is in every namespace
 *
 * Context: process, sleeps until the last session is gone.
 */
void kproxy_netns_exit(void)
{
	unregister_pernet_subsys(&kproxy_net_ops);
}
