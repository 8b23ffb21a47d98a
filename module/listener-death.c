// SPDX-License-Identifier: GPL-2.0
/* Announces listening sockets that were destroyed from outside ("ss -K"). */
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "events.h"
#include "listen-sock.h"
#include "listener.h"
#include "listener-death.h"
#include "root.h"

static bool listener_report_deaths(struct kproxy_listener *l)
{
	bool died = false;
	unsigned int i;

	for (i = 0; i < l->nr_lsocks; i++) {
		struct kproxy_listen_sock *lsock = &l->lsocks[i];

		if (lsock->death_reported || !kproxy_lsock_dead(lsock))
			continue;
		WRITE_ONCE(lsock->death_reported, true);
		died = true;
	}
	return died;
}

static void deaths_work(struct work_struct *work)
{
	struct kproxy_net *kn = container_of(work, struct kproxy_net, deaths);
	struct kproxy_listener *l;

	mutex_lock(&kn->lock);
	list_for_each_entry(l, &kn->listeners, obj.node)
		if (listener_report_deaths(l))
			kproxy_events->listener(l,
						KPROXY_CMD_LISTENER_DOWN_NTF);
	mutex_unlock(&kn->lock);
}

/**
 * kproxy_deaths_init() - prepare to announce dead listening sockets
 * @kn: the namespace's root
 */
void kproxy_deaths_init(struct kproxy_net *kn)
{
	INIT_WORK(&kn->deaths, deaths_work);
}

/**
 * kproxy_deaths_stop() - stop announcing dead listening sockets
 * @kn: the namespace's root, without a listener
 *
 * Context: process, sleeps until the work is done.
 */
void kproxy_deaths_stop(struct kproxy_net *kn)
{
	disable_work_sync(&kn->deaths);
}
