/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_ADMISSION_H
#define _KPROXY_ADMISSION_H

#include <linux/list.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct kproxy_client;
union kproxy_addr;

/* Clients without a session to remember, per namespace. */
#define KPROXY_CLIENTS_IDLE_MAX 16384

/* The clients that are counted in a namespace. */
struct kproxy_admission {
	/* Protects all of it, and each client. */
	spinlock_t lock;
	struct rhashtable clients;
	/* clients without a session, the latest at the end */
	struct list_head idle;
	unsigned int nr_idle;
	/* forgets idle clients; queued while there are some */
	struct delayed_work expire;
};

/* Limits of one client at one listener; 0 for no limit. */
struct kproxy_client_limits {
	/* concurrent sessions */
	unsigned int maxconn;
	/* new sessions per second */
	unsigned int rate;
};

int kproxy_admission_setup(void);
void kproxy_admission_teardown(void);
int kproxy_admission_init(struct kproxy_admission *adm);
void kproxy_admission_destroy(struct kproxy_admission *adm);
struct kproxy_client *
kproxy_admission_enter(struct kproxy_admission *adm, u64 listener,
		       const union kproxy_addr *addr,
		       const struct kproxy_client_limits *limits,
		       unsigned long now);
void kproxy_admission_leave(struct kproxy_admission *adm,
			    struct kproxy_client *client, unsigned long now);
bool kproxy_admission_expire(struct kproxy_admission *adm, unsigned long now);

#endif /* _KPROXY_ADMISSION_H */
