// SPDX-License-Identifier: GPL-2.0
/*
 * kproxy: a TCP proxy in the kernel. This file sets everything up and tears it
 * down, in the right order.
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <kproxy_version.h>
#include <uapi/linux/kproxy.h>

#include "admission.h"
#include "compat.h"
#include "fault.h"
#include "log.h"
#include "netlink.h"
#include "netns.h"
#include "param.h"
#include "quota.h"
#include "session.h"
#include "session-splice-start.h"
#include "shared.h"
#include "sock.h"

#if !IS_ENABLED(CONFIG_64BIT)
#error "kproxy needs a 64-bit kernel"
#endif

/* All pools together may take this fraction of the memory: 1/4. */
#define POOL_SHARE 4

static unsigned int pool_pages = 64;
KPROXY_PARAM(pool_pages, 0, 65536);
MODULE_PARM_DESC(pool_pages, "pages preallocated for each CPU");

static unsigned int pool_sessions = 256;
KPROXY_PARAM(pool_sessions, 0, 65536);
MODULE_PARM_DESC(pool_sessions, "sessions preallocated for each CPU");

/* What each possible CPU gets must not be what the host needs to live. */
static int __init check_pools(void)
{
	u64 one = (u64)pool_pages * PAGE_SIZE +
		  (u64)pool_sessions * sizeof(struct kproxy_session);
	u64 all = one * num_possible_cpus();
	u64 most = (u64)totalram_pages() * PAGE_SIZE / POOL_SHARE;

	if (all <= most)
		return 0;
	pr_err("kproxy: parameters pool_pages %u and pool_sessions %u: %llu MiB for %u CPUs, more than %llu MiB, which is a quarter of the memory\n",
	       pool_pages, pool_sessions, all >> 20, num_possible_cpus(),
	       most >> 20);
	return -EINVAL;
}

static int __init kproxy_init(void)
{
	int err;

	err = check_pools();
	if (err)
		return err;
	err = kproxy_pool_init(&kproxy_pool, "kproxy_session", pool_pages,
			       pool_sessions, sizeof(struct kproxy_session));
	if (err)
		return err;
	err = kproxy_admission_setup();
	if (err)
		goto err_pool;
	err = -ENOMEM;
	kproxy_wq = alloc_workqueue("kproxy", WQ_PERCPU, 0);
	if (!kproxy_wq)
		goto err_admission;
	kproxy_splice_wq = alloc_workqueue("kproxy_splice", WQ_UNBOUND, 0);
	if (!kproxy_splice_wq)
		goto err_wq;
	kproxy_bh_wq = alloc_workqueue("kproxy_bh", KPROXY_WQ_BH_PERCPU, 0);
	if (!kproxy_bh_wq)
		goto err_splice_wq;
	err = kproxy_log_init();
	if (err)
		goto err_bh_wq;
	err = kproxy_netns_init();
	if (err)
		goto err_log;
	err = kproxy_netlink_init();
	if (err)
		goto err_netns;
	kproxy_fault_init();
	return 0;

err_netns:
	kproxy_netns_exit();
err_log:
	kproxy_log_exit();
err_bh_wq:
	destroy_workqueue(kproxy_bh_wq);
err_splice_wq:
	destroy_workqueue(kproxy_splice_wq);
err_wq:
	destroy_workqueue(kproxy_wq);
err_admission:
	kproxy_admission_teardown();
err_pool:
	kproxy_pool_destroy(&kproxy_pool);
	return err;
}

static void __exit kproxy_exit(void)
{
	kproxy_netlink_exit();
	kproxy_netns_exit();
	kproxy_log_exit();
	kproxy_quota_drain();
	destroy_workqueue(kproxy_splice_wq);
	kproxy_splice_exit();
	/*
	 * Balancers that were replaced, and users whose last splice was freed, are
	 * on their way to the queue.
	 */
	rcu_barrier();
	destroy_workqueue(kproxy_wq);
	destroy_workqueue(kproxy_bh_wq);
	kproxy_admission_teardown();
	kproxy_sock_exit();
	/* Wait for callbacks of closed sockets, and for freed sessions. */
	synchronize_rcu();
	rcu_barrier();
	kproxy_fault_exit();
	kproxy_pool_destroy(&kproxy_pool);
}

module_init(kproxy_init);
module_exit(kproxy_exit);

MODULE_DESCRIPTION("In-kernel TCP proxy");
MODULE_LICENSE("GPL");
MODULE_VERSION(KPROXY_VERSION);
MODULE_ALIAS_GENL_FAMILY(KPROXY_FAMILY_NAME);
