/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_UPSTREAM_H
#define _KPROXY_UPSTREAM_H

#include <linux/bits.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "choice.h"
#include "object.h"
#include "option.h"
#include "sockopts.h"
#include "source.h"

struct kproxy_check_text;
struct kproxy_net;
struct sock;
union kproxy_addr;

/* What an option's change begins again. */
enum kproxy_upstream_restart {
	/* the checks of its servers */
	KPROXY_RESTART_CHECKS = BIT(0),
	/* idle connections, which are made in another way */
	KPROXY_RESTART_CONNECTIONS = BIT(1),
};

/*
 * Options of an upstream; times in milliseconds. kproxy_upstream_numbers
 * has a row for each number.
 */
struct kproxy_upstream_options {
	enum kproxy_balance balance;
	unsigned int retries;
	unsigned int eject;
	unsigned int eject_time;
	enum kproxy_check_kind check;
	unsigned int interval;
	unsigned int timeout;
	unsigned int rise;
	unsigned int fall;
	unsigned int check_port;
	enum kproxy_switch failback;
	enum kproxy_on_down on_down;
	unsigned int slow_start;
	enum kproxy_switch fail_open;
	/* held; NULL unless @check is KPROXY_CHECK_SEND */
	struct kproxy_check_text *check_text;
	enum kproxy_send_proxy send_proxy;
	unsigned int preconnect;
	struct kproxy_sockopts sockopts;
	struct kproxy_source source;
};

/* A group of servers and how to choose among them. */
struct kproxy_upstream {
	struct kproxy_object obj;
	/* Constant: who made it, for connections without a client. */
	struct sock *owner;

	/* Under the configuration lock. */
	/* listeners and routes that lead to it */
	unsigned int users;
	unsigned int routes;
	/* charged to its quota: idle connections, checks */
	u64 connections;
	u64 checks;
	/* servers of all views, by address */
	DECLARE_HASHTABLE(by_addr, 7);
	/*
	 * Under that and the choice's lock; options read by any. The list is in
	 * the order of the ids, and also of all views; @nr_servers are current.
	 */
	struct kproxy_upstream_options options;
	struct list_head servers;
	unsigned int nr_servers;
	/* options.sockopts are not the defaults */
	bool sockopts_set;
	/*
	 * Protects options.sockopts, options.check_text and options.source, which
	 * are written under both locks; the last is read by @source_seq.
	 */
	spinlock_t lock;
	seqcount_spinlock_t source_seq;

	struct kproxy_choice choice;

	struct rcu_head rcu;
};

extern const struct kproxy_option kproxy_upstream_numbers[];

void kproxy_upstream_options_init(struct kproxy_upstream_options *options);
struct kproxy_upstream *
kproxy_upstream_new(struct kproxy_net *kn, const char *name,
		    const struct kproxy_upstream_options *options);
struct kproxy_upstream *kproxy_upstream_find(struct kproxy_net *kn,
					     const char *name,
					     const struct kproxy_view *view);
void kproxy_upstream_set_sockopts(struct kproxy_upstream *up,
				  const struct kproxy_sockopts *opts);
void kproxy_upstream_set_source(struct kproxy_upstream *up,
				const struct kproxy_source *source);
void kproxy_upstream_swap_check_text(struct kproxy_upstream *up,
				     struct kproxy_check_text **text);
struct kproxy_check_text *
kproxy_upstream_check_text(struct kproxy_upstream *up);
bool kproxy_upstream_sockopts(struct kproxy_upstream *up,
			      struct kproxy_sockopts *opts);
void kproxy_upstream_hold(struct kproxy_upstream *up);
bool kproxy_upstream_tryhold(struct kproxy_upstream *up);
void kproxy_upstream_put(struct kproxy_upstream *up);

#endif /* _KPROXY_UPSTREAM_H */
