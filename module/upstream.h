/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_UPSTREAM_H
#define _KPROXY_UPSTREAM_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"
#include "check.h"
#include "choice.h"
#include "health.h"
#include "latency.h"
#include "preconnect.h"
#include "sockopts.h"
#include "source.h"
#include "stats.h"

struct kproxy_change;
struct kproxy_net;
struct kproxy_quota;
struct netlink_ext_ack;
struct sock;

#define KPROXY_WEIGHT_DEFAULT 1

/* What can be set of an upstream; times in milliseconds. */
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
	enum kproxy_send_proxy send_proxy;
	unsigned int preconnect;
	struct kproxy_sockopts sockopts;
	struct kproxy_source source;
};

/* A group of servers and how to choose among them. */
struct kproxy_upstream {
	struct kproxy_net *kn;
	refcount_t refs;
	u64 id;
	char name[KPROXY_NAME_MAX + 1];
	/* Constant: who made it, for connections without a client. */
	struct sock *owner;
	/* held; NULL for no limits */
	struct kproxy_quota *quota;

	/* Under the configuration lock. */
	struct list_head node;
	struct hlist_node by_name;
	/* only staged so far */
	bool arriving;
	/*
	 * Listeners and routes that lead to it, and how many more there will be
	 * after transaction number @staged_for.
	 */
	unsigned int users;
	unsigned int routes;
	int staged_users;
	int staged_routes;
	u64 staged_for;
	/* charged to @quota: connections made ahead, checks */
	u64 connections;
	u64 checks;
	struct kproxy_change *change;
	/* servers, also those that a transaction adds, by address */
	DECLARE_HASHTABLE(by_addr, 7);
	/* Under that and the choice's lock; options read by any. */
	struct kproxy_upstream_options options;
	struct list_head servers;
	unsigned int nr_servers;
	/* options.sockopts are not the defaults */
	bool sockopts_set;
	/*
	 * Protects options.sockopts and options.source, which are written under
	 * both locks; the latter is read by @source_seq.
	 */
	spinlock_t lock;
	seqcount_spinlock_t source_seq;

	struct kproxy_choice choice;

	struct rcu_head rcu;
};

/* What can be set of a server. */
struct kproxy_server_options {
	unsigned int weight;
	enum kproxy_server_state state;
	unsigned int maxconn;
	bool backup;
};

/* Why a server takes no sessions, besides its options. */
enum kproxy_server_flag {
	/* It was deleted. */
	KPROXY_SERVER_GONE,
	/* Too many sessions in a row could not connect to it. */
	KPROXY_SERVER_EJECTED,
	/* Checks have found that it does not answer. */
	KPROXY_SERVER_UNHEALTHY,
};

/* Where sessions of an upstream go. */
struct kproxy_server {
	/* Constant; the upstream is held. */
	struct kproxy_upstream *upstream;
	union kproxy_addr addr;
	u64 id;
	struct kproxy_stats __percpu *stats;
	/* a CPU's is there once it has counted */
	struct kproxy_latency_slot __percpu *latency;

	/* enum kproxy_server_flag, atomic bits */
	unsigned long flags;
	/* Under the configuration and the choice's lock; options read by any. */
	struct kproxy_server_options options;
	struct list_head node;
	/*
	 * Under the configuration lock: what a transaction will make of the
	 * options, NULL for nothing; and whether it was only staged so far.
	 */
	const struct kproxy_server_options *next;
	bool arriving;
	struct hlist_node by_addr;
	struct kproxy_server_health health;
	struct kproxy_check check;
	struct kproxy_preconnect preconnect;

	/* What each session writes. */
	refcount_t refs ____cacheline_aligned_in_smp;
	/* live sessions */
	atomic_t sessions;
	/* whose turn it is of the addresses to connect from */
	atomic_t turns;

	struct rcu_head rcu;
};

extern const struct kproxy_upstream_options kproxy_upstream_defaults;

struct kproxy_upstream *kproxy_upstream_find(struct kproxy_net *kn,
					     const char *name);
int kproxy_upstream_add(struct kproxy_net *kn, const char *name,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack);
int kproxy_upstream_set(struct kproxy_upstream *up,
			const struct kproxy_upstream_options *options,
			struct netlink_ext_ack *extack);
bool kproxy_upstream_sockopts(struct kproxy_upstream *up,
			      struct kproxy_sockopts *opts);
unsigned int kproxy_upstream_source(const struct kproxy_upstream *up,
				    int family, unsigned int turn,
				    union kproxy_addr *addr);
int kproxy_upstream_del(struct kproxy_upstream *up,
			struct netlink_ext_ack *extack);
void kproxy_upstream_del_all(struct kproxy_net *kn);
void kproxy_upstream_stop_all(struct kproxy_net *kn);
void kproxy_upstream_stage(struct kproxy_upstream *up, int users, int routes);
void kproxy_upstream_hold(struct kproxy_upstream *up);
void kproxy_upstream_put(struct kproxy_upstream *up);

struct kproxy_server *kproxy_server_find(struct kproxy_upstream *up,
					 const union kproxy_addr *addr);
int kproxy_server_add(struct kproxy_upstream *up, const union kproxy_addr *addr,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack);
int kproxy_server_set(struct kproxy_server *server,
		      const struct kproxy_server_options *options,
		      struct netlink_ext_ack *extack);
int kproxy_server_del(struct kproxy_server *server,
		      struct netlink_ext_ack *extack);
void kproxy_server_hold(struct kproxy_server *server);
void kproxy_server_put(struct kproxy_server *server);
void kproxy_server_took(struct kproxy_server *server,
			enum kproxy_latency_kind kind, u64 us);

/* Context: any. Whether it takes new sessions with these options. */
static inline bool
kproxy_server_usable_as(const struct kproxy_server *server,
			const struct kproxy_server_options *options)
{
	return READ_ONCE(options->state) == KPROXY_SERVER_STATE_UP &&
	       READ_ONCE(options->weight) && !READ_ONCE(server->flags);
}

/* Context: any. Whether it takes new sessions, as far as is known. */
static inline bool kproxy_server_usable(const struct kproxy_server *server)
{
	return kproxy_server_usable_as(server, &server->options);
}

#endif /* _KPROXY_UPSTREAM_H */
