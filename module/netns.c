// SPDX-License-Identifier: GPL-2.0
/*
 * The life of kproxy in a network namespace. It holds no reference to the
 * namespace: when that goes away, or the module does, everything in it is taken
 * down first.
 *
 * Any user can create thousands of namespaces. Without configuration, a
 * namespace needs no memory besides the root. Tables and counters are allocated
 * with its first object, and charged to the task that adds it.
 */
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "drain.h"
#include "fault.h"
#include "listener-change.h"
#include "listener-death.h"
#include "log.h"
#include "netns.h"
#include "quota.h"
#include "root.h"
#include "session-table.h"
#include "transaction.h"
#include "upstream-change.h"

/**
 * kproxy_net_totals() - read the counters of a namespace
 * @kn: the namespace's root
 * @sum: the counts since the last reset
 * @reset: whether to reset them
 *
 * The counters themselves are never reset, so that no count is lost.
 *
 * Context: process, takes the configuration lock.
 */
void kproxy_net_totals(struct kproxy_net *kn, struct kproxy_stats *sum,
		       bool reset)
{
	struct kproxy_stats now;
	int i;

	memset(sum, 0, sizeof(*sum));
	if (!kproxy_net_used(kn))
		return;
	mutex_lock(&kn->lock);
	kproxy_stats_sum(kn->stats, &now);
	for (i = 0; i < KPROXY_COUNTS; i++)
		sum->count[i] = now.count[i] - kn->base->count[i];
	if (reset)
		*kn->base = now;
	mutex_unlock(&kn->lock);
}

/**
 * kproxy_net_setup() - allocate what a namespace needs for its first object
 * @kn: the namespace's root, its lock held
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_net_setup(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	if (kn->used)
		return 0;
	kn->names = kcalloc(1 << KPROXY_NAME_BITS, sizeof(*kn->names),
			    GFP_KERNEL_ACCOUNT);
	kn->stats = kproxy_stats_new();
	kn->base = kzalloc(sizeof(*kn->base), GFP_KERNEL_ACCOUNT);
	kn->cpus = alloc_percpu_gfp(struct kproxy_net_cpu,
				    GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!kn->names || !kn->stats || !kn->base || !kn->cpus ||
	    kproxy_quota_new(kn->net, &kn->quota))
		goto err_memory;
	if (kproxy_session_table_init(kn))
		goto err_memory;
	if (kproxy_admission_init(&kn->admission))
		goto err_table;
	/* pairs with the acquire in kproxy_net_used() */
	smp_store_release(&kn->used, true);
	return 0;

err_table:
	kproxy_session_table_destroy(kn);
err_memory:
	kproxy_quota_put(kn->quota);
	kn->quota = NULL;
	free_percpu(kn->cpus);
	kn->cpus = NULL;
	kfree(kn->base);
	kn->base = NULL;
	kproxy_stats_free(kn->stats);
	kn->stats = NULL;
	kfree(kn->names);
	kn->names = NULL;
	return -ENOMEM;
}

static int __net_init netns_init(struct net *net)
{
	struct kproxy_net *kn = kproxy_net(net);

	kn->net = net;
	mutex_init(&kn->lock);
	INIT_LIST_HEAD(&kn->listeners);
	INIT_LIST_HEAD(&kn->upstreams);
	mutex_init(&kn->stalls_lock);
	kproxy_transaction_init(kn);
	kproxy_deaths_init(kn);
	kproxy_drain_init(kn);
	return 0;
}

/*
 * The namespace can no longer be configured: it, or the netlink family, is
 * gone. This runs before the namespace's devices go, so that peers can still
 * get resets.
 */
static void __net_exit netns_pre_exit(struct net *net)
{
	struct kproxy_net *kn = kproxy_net(net);

	mutex_lock(&kn->lock);
	kproxy_transaction_drop(kn);
	kproxy_listener_del_all(kn);
	kproxy_upstream_stop_all(kn);
	mutex_unlock(&kn->lock);
	kproxy_fault_point(KPROXY_POINT_NETNS_EXIT);
	if (!kproxy_net_used(kn))
		return;
	kproxy_deaths_stop(kn);
	kproxy_drain_stop(kn);
	kproxy_session_kill_all(kn);
}

static void __net_exit netns_exit(struct net *net)
{
	struct kproxy_net *kn = kproxy_net(net);

	if (!kproxy_net_used(kn))
		return;
	mutex_lock(&kn->lock);
	kproxy_upstream_del_all(kn);
	mutex_unlock(&kn->lock);
	if (kn->check_wq)
		destroy_workqueue(kn->check_wq);
	if (kn->preconnect_wq)
		destroy_workqueue(kn->preconnect_wq);
	kproxy_admission_destroy(&kn->admission);
	kproxy_session_table_destroy(kn);
	kproxy_log_close(kn->log);
	free_percpu(kn->cpus);
	kfree(kn->base);
	kproxy_stats_free(kn->stats);
	kproxy_stats_free(kn->splices);
	kfree(kn->names);
	kproxy_quota_put(kn->quota);
}

static struct pernet_operations kproxy_net_ops = {
	.init = netns_init,
	.pre_exit = netns_pre_exit,
	.exit = netns_exit,
	.id = &kproxy_net_id,
	.size = sizeof(struct kproxy_net),
};

/**
 * kproxy_netns_init() - set up all namespaces, present and future
 *
 * Context: process, may sleep.
 * Return: 0 or a negative errno.
 */
int kproxy_netns_init(void)
{
	return register_pernet_subsys(&kproxy_net_ops);
}

/**
 * kproxy_netns_exit() - tear down all namespaces
 *
 * Context: process, sleeps until the last session is gone.
 */
void kproxy_netns_exit(void)
{
	unregister_pernet_subsys(&kproxy_net_ops);
}
