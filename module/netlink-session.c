// SPDX-License-Identifier: GPL-2.0
/* Requests about sessions, the pools and the totals. */
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/tcp.h>
#include <uapi/linux/kproxy.h>

#include "listener.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netns.h"
#include "quota.h"
#include "refuse.h"
#include "root.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-splice.h"
#include "session-table.h"
#include "shared.h"
#include "upstream.h"

static enum kproxy_session_state session_state(enum kproxy_state state)
{
	switch (state) {
	case KPROXY_GREETING:
	case KPROXY_CHOOSING:
	case KPROXY_CONNECTING:
		return KPROXY_SESSION_STATE_CONNECTING;
	case KPROXY_ESTABLISHED:
		return KPROXY_SESSION_STATE_ESTABLISHED;
	default:
		return KPROXY_SESSION_STATE_CLOSING;
	}
}

/* TCP's state of one side. */
struct tcp_state {
	u32 rtt_us;
	u32 cwnd;
	u32 retrans;
	u32 unacked;
	u32 rcvq;
	u32 sndq;
};

static void get_tcp(struct tcp_state *tcp, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	tcp->rtt_us = READ_ONCE(tp->srtt_us) >> 3;
	tcp->cwnd = READ_ONCE(tp->snd_cwnd);
	tcp->retrans = READ_ONCE(tp->total_retrans);
	tcp->unacked = READ_ONCE(tp->packets_out);
	tcp->rcvq = kproxy_sock_unread(sk);
	tcp->sndq = READ_ONCE(tp->write_seq) - READ_ONCE(tp->snd_una);
}

/* The part of a session's listing that is read from its sockets. */
struct sockets_state {
	struct tcp_state tcp[KPROXY_SIDES];
	unsigned long progress;
};

/*
 * Read a session's sockets, without a lock, because the data path would feel
 * it, and without a reference. TCP sockets are SLAB_TYPESAFE_BY_RCU: under RCU,
 * the memory remains a TCP socket's, but the socket may be closed and the
 * memory reused for another. Sockets are closed in final states only. Therefore
 * the values are the session's if it still has two sockets afterwards.
 */
static bool get_sockets(struct sockets_state *sockets,
			const struct kproxy_session *s, enum kproxy_state state)
{
	enum kproxy_side side;

	if (!kproxy_state_linked(state))
		return false;
	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		get_tcp(&sockets->tcp[side], s->socks[side].sk);
	sockets->progress = kproxy_session_progress(s);
	/* pairs with the state change, a full barrier before the close */
	smp_rmb();
	return kproxy_state_linked(READ_ONCE(s->state));
}

static int put_tcp(struct sk_buff *skb, int attr, const struct tcp_state *tcp)
{
	struct nlattr *nest = nla_nest_start(skb, attr);

	if (!nest ||
	    nla_put_u32(skb, KPROXY_A_TCP_RTT_US, tcp->rtt_us) ||
	    nla_put_u32(skb, KPROXY_A_TCP_CWND, tcp->cwnd) ||
	    nla_put_u32(skb, KPROXY_A_TCP_RETRANS, tcp->retrans) ||
	    nla_put_u32(skb, KPROXY_A_TCP_UNACKED, tcp->unacked) ||
	    nla_put_u32(skb, KPROXY_A_TCP_RCVQ, tcp->rcvq) ||
	    nla_put_u32(skb, KPROXY_A_TCP_SNDQ, tcp->sndq))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Bytes moved in each direction. */
static int put_transferred(struct sk_buff *skb, const struct kproxy_session *s)
{
	u64 bytes[KPROXY_SIDES];
	enum kproxy_side side;

	for (side = KPROXY_CLIENT; side < KPROXY_SIDES; side++)
		bytes[side] = READ_ONCE(s->pumps[side].bytes_spliced) +
			      READ_ONCE(s->pumps[side].bytes_copied);
	if (nla_put_uint(skb, KPROXY_A_SESSION_BYTES_IN,
			 bytes[KPROXY_CLIENT]) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_BYTES_OUT, bytes[KPROXY_SERVER]))
		return -EMSGSIZE;
	return 0;
}

/* For how long each side had no room for bytes that were waiting for it. */
static int put_stalls(struct sk_buff *skb, const struct kproxy_session *s)
{
	u64 server = kproxy_pump_stalled(&s->pumps[KPROXY_CLIENT]);
	u64 client = kproxy_pump_stalled(&s->pumps[KPROXY_SERVER]);

	if (nla_put_uint(skb, KPROXY_A_SESSION_STALL_CLIENT_US,
			 client / NSEC_PER_USEC) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_STALL_SERVER_US,
			 server / NSEC_PER_USEC))
		return -EMSGSIZE;
	return 0;
}

/* Bytes by how they were moved. */
static int put_moved(struct sk_buff *skb, const struct kproxy_session *s)
{
	const struct kproxy_pump *in = &s->pumps[KPROXY_CLIENT];
	const struct kproxy_pump *out = &s->pumps[KPROXY_SERVER];

	if (nla_put_uint(skb, KPROXY_A_SESSION_BYTES_SPLICED,
			 READ_ONCE(in->bytes_spliced) +
			 READ_ONCE(out->bytes_spliced)) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_BYTES_COPIED,
			 READ_ONCE(in->bytes_copied) +
			 READ_ONCE(out->bytes_copied)))
		return -EMSGSIZE;
	return 0;
}

/* @sockets: NULL unless the session has two. */
static int put_times(struct sk_buff *skb, const struct kproxy_session *s,
		     const struct sockets_state *sockets)
{
	const struct kproxy_pump *recent = &s->pumps[KPROXY_CLIENT];
	unsigned long now = jiffies, last;

	if (time_after(READ_ONCE(s->pumps[KPROXY_SERVER].last),
		       READ_ONCE(recent->last)))
		recent = &s->pumps[KPROXY_SERVER];
	last = sockets ? sockets->progress : READ_ONCE(recent->last);
	/* A byte may have moved since jiffies was read. */
	if (time_after(last, now))
		last = now;
	if (nla_put_uint(skb, KPROXY_A_SESSION_AGE_MS,
			 jiffies_to_msecs(now - s->began)) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_IDLE_MS,
			 jiffies_to_msecs(now - last)) ||
	    nla_put_u32(skb, KPROXY_A_SESSION_CPU, READ_ONCE(recent->cpu)))
		return -EMSGSIZE;
	return 0;
}

static int put_names(struct sk_buff *skb, const struct kproxy_session *s)
{
	if (nla_put_string(skb, KPROXY_A_SESSION_LISTENER,
			   kproxy_session_listener(s)) ||
	    nla_put_string(skb, KPROXY_A_SESSION_UPSTREAM,
			   kproxy_session_upstream(s)) ||
	    (s->splice && nla_put_string(skb, KPROXY_A_SESSION_LABEL,
					 s->splice->label)))
		return -EMSGSIZE;
	return 0;
}

static int put_sni(struct sk_buff *skb, const char *sni)
{
	return sni ? nla_put_string(skb, KPROXY_A_SESSION_SNI, sni) : 0;
}

/* Its address, and its name if it is one of an upstream; NULL for none. */
static int put_server(struct sk_buff *skb, const struct kproxy_session *s,
		      const struct kproxy_server *server)
{
	const union kproxy_addr *addr = kproxy_session_server_addr(s, server);
	char name[KPROXY_NAME_MAX + 1];

	if (addr &&
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_SERVER, addr))
		return -EMSGSIZE;
	if (!server)
		return 0;
	kproxy_server_get_name(server, name);
	return *name ? nla_put_string(skb, KPROXY_A_SESSION_SERVER_NAME, name) :
		       0;
}

static int put_session(struct sk_buff *skb, const void *object)
{
	const struct kproxy_session *s = object;
	const struct kproxy_server *server = rcu_dereference(s->server);
	/* Before reading the sockets, which exist in a state that has two. */
	enum kproxy_state state = smp_load_acquire(&s->state);
	struct sockets_state sockets;
	bool linked = get_sockets(&sockets, s, state);

	if (nla_put_uint(skb, KPROXY_A_SESSION_ID, s->id) ||
	    put_names(skb, s) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_CLIENT, &s->client) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_LOCAL, &s->local) ||
	    put_server(skb, s, server) ||
	    nla_put_u32(skb, KPROXY_A_SESSION_STATE, session_state(state)) ||
	    put_sni(skb, READ_ONCE(s->sni)) ||
	    put_times(skb, s, linked ? &sockets : NULL) ||
	    put_transferred(skb, s) || put_moved(skb, s) || put_stalls(skb, s))
		return -EMSGSIZE;
	if (!linked)
		return 0;
	if (kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_SOURCE, &s->source) ||
	    put_tcp(skb, KPROXY_A_SESSION_CLIENT_TCP,
		    &sockets.tcp[KPROXY_CLIENT]) ||
	    put_tcp(skb, KPROXY_A_SESSION_SERVER_TCP,
		    &sockets.tcp[KPROXY_SERVER]))
		return -EMSGSIZE;
	return 0;
}

/* The session's life is locked: it is beginning, or has ended. */
static int put_session_event(struct sk_buff *skb, const void *object)
{
	const struct kproxy_session *s = object;
	const struct kproxy_server *server =
		rcu_dereference_protected(s->server, lockdep_is_held(&s->life));

	if (nla_put_uint(skb, KPROXY_A_SESSION_ID, s->id) ||
	    put_names(skb, s) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_CLIENT, &s->client) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_LOCAL, &s->local) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_SOURCE, &s->source) ||
	    put_server(skb, s, server) ||
	    put_sni(skb, s->sni) ||
	    put_transferred(skb, s) || put_stalls(skb, s) ||
	    nla_put_u32(skb, KPROXY_A_SESSION_REASON, READ_ONCE(s->reason)) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_START_MS,
			 ktime_to_ms(s->began_real)) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_DURATION_MS,
			 ktime_ms_delta(ktime_get(), s->began_mono)) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_CONNECT_US,
			 kproxy_session_connect_us(s)))
		return -EMSGSIZE;
	return 0;
}

/**
 * kproxy_netlink_session_event() - send an event about a session
 * @s: the session, its life locked
 * @cmd: the event
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_session_event(const struct kproxy_session *s, u8 cmd)
{
	kproxy_netlink_notify(s->kn, KPROXY_NLGRP_SESSION, cmd,
			      put_session_event, s, GFP_KERNEL);
}

static int put_refusal(struct sk_buff *skb, const void *object)
{
	const struct kproxy_refusal *refusal = object;

	if (nla_put_uint(skb, KPROXY_A_SESSION_ID, refusal->id) ||
	    nla_put_string(skb, KPROXY_A_SESSION_LISTENER,
			   refusal->listener->obj.name) ||
	    (refusal->upstream &&
	     nla_put_string(skb, KPROXY_A_SESSION_UPSTREAM,
			    refusal->upstream->obj.name)) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_CLIENT,
				    &refusal->client) ||
	    kproxy_netlink_put_addr(skb, KPROXY_A_SESSION_LOCAL,
				    &refusal->local) ||
	    put_sni(skb, refusal->sni) ||
	    nla_put_u32(skb, KPROXY_A_SESSION_REASON, refusal->reason) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_START_MS,
			 ktime_to_ms(refusal->began_real)) ||
	    nla_put_uint(skb, KPROXY_A_SESSION_DURATION_MS,
			 refusal->duration_us / USEC_PER_MSEC) ||
	    nla_put_u32(skb, KPROXY_A_SESSION_OMITTED, refusal->omitted))
		return -EMSGSIZE;
	return 0;
}

/**
 * kproxy_netlink_refused() - send an event about a client that was refused
 * @refusal: the client
 *
 * Context: process, may sleep.
 */
void kproxy_netlink_refused(const struct kproxy_refusal *refusal)
{
	kproxy_netlink_notify(refusal->listener->obj.kn, KPROXY_NLGRP_SESSION,
			      KPROXY_CMD_SESSION_REFUSED_NTF, put_refusal,
			      refusal, GFP_KERNEL);
}

/* A filter and the addresses that it points to. */
struct filter {
	struct kproxy_session_filter f;
	union kproxy_addr server;
	union kproxy_addr client;
};

static int get_client(const struct genl_info *info, struct filter *filter)
{
	const struct nlattr *bits = info->attrs[KPROXY_A_SESSION_CLIENT_PREFIX];
	const struct nlattr *attr = info->attrs[KPROXY_A_SESSION_CLIENT];
	int err;

	err = kproxy_netlink_get_addr(attr, &filter->client, info->extack);
	if (err)
		return err;
	filter->f.client = &filter->client;
	filter->f.client_bits = kproxy_addr_bits(&filter->client);
	if (!filter->f.client_bits) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "an IPv4 or IPv6 address is required");
		return -EINVAL;
	}
	if (bits && nla_get_u8(bits) > filter->f.client_bits) {
		NL_SET_ERR_MSG_ATTR(info->extack, bits,
				    "the prefix is longer than the address");
		return -EINVAL;
	}
	if (bits)
		filter->f.client_bits = nla_get_u8(bits);
	return 0;
}

static const char *get_string(const struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_data(info->attrs[attr]) : NULL;
}

static int get_filter(const struct genl_info *info, struct filter *filter)
{
	const struct nlattr *server = info->attrs[KPROXY_A_SESSION_SERVER];
	int err;

	memset(filter, 0, sizeof(*filter));
	if (info->attrs[KPROXY_A_SESSION_ID]) {
		filter->f.by_id = true;
		filter->f.id = nla_get_uint(info->attrs[KPROXY_A_SESSION_ID]);
	}
	filter->f.listener = get_string(info, KPROXY_A_SESSION_LISTENER);
	filter->f.upstream = get_string(info, KPROXY_A_SESSION_UPSTREAM);
	if (server) {
		err = kproxy_netlink_get_addr(server, &filter->server,
					      info->extack);
		if (err)
			return err;
		filter->f.server = &filter->server;
	}
	if (info->attrs[KPROXY_A_SESSION_CLIENT])
		return get_client(info, filter);
	return 0;
}

/* State of a session dump between its parts. */
struct session_dump {
	struct kproxy_session_walk walk;
	struct filter filter;
	/* @walk is set up */
	bool walks;
};

struct session_dump_ctx {
	struct session_dump *dump;
	bool over;
};

int kproxy_nl_session_get_start(struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct kproxy_net *kn = kproxy_net(genl_info_net(info));
	struct session_dump_ctx *ctx = (void *)cb->ctx;
	struct session_dump *dump;
	int err;

	err = kproxy_quota_admit(genl_info_net(info), info->extack);
	if (err)
		return err;
	dump = kzalloc(sizeof(*dump), GFP_KERNEL);
	if (!dump)
		return -ENOMEM;
	err = get_filter(info, &dump->filter);
	if (err) {
		kfree(dump);
		return err;
	}
	if (kproxy_net_used(kn) && !dump->filter.f.by_id) {
		kproxy_session_walk_init(&dump->walk, kn);
		dump->walks = true;
	}
	ctx->dump = dump;
	return 0;
}

int kproxy_nl_session_get_done(struct netlink_callback *cb)
{
	struct session_dump_ctx *ctx = (void *)cb->ctx;

	if (ctx->dump->walks)
		kproxy_session_walk_exit(&ctx->dump->walk);
	kfree(ctx->dump);
	return 0;
}

/* Dump the one session that has the requested number. */
static int dump_one(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct session_dump_ctx *ctx = (void *)cb->ctx;
	const struct kproxy_session_filter *f = &ctx->dump->filter.f;
	const struct kproxy_session *s;
	int err = 0;

	if (ctx->over)
		return 0;
	rcu_read_lock();
	s = kproxy_session_lookup(kproxy_net(genl_info_net(info)), f->id);
	if (s && kproxy_session_match(s, f))
		err = kproxy_netlink_dump(skb, cb, put_session, s);
	rcu_read_unlock();
	ctx->over = !err;
	return err;
}

int kproxy_nl_session_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct session_dump_ctx *ctx = (void *)cb->ctx;
	struct session_dump *dump = ctx->dump;
	const struct kproxy_session *s;
	int err = 0;

	if (!dump->walks)
		return dump_one(skb, cb);
	kproxy_session_walk_begin(&dump->walk);
	while ((s = kproxy_session_walk_next(&dump->walk))) {
		if (!kproxy_session_match(s, &dump->filter.f))
			continue;
		/* If the walk has started over, sessions may come twice. */
		cb->seq = dump->walk.restarts + 1;
		err = kproxy_netlink_dump(skb, cb, put_session, s);
		if (!err)
			continue;
		kproxy_session_walk_again(&dump->walk);
		break;
	}
	kproxy_session_walk_end(&dump->walk);
	cb->seq = dump->walk.restarts + 1;
	return err;
}

static int put_killed(struct sk_buff *skb, const void *object)
{
	return nla_put_u32(skb, KPROXY_A_SESSION_KILLED,
			   *(const unsigned int *)object);
}

int kproxy_nl_session_kill_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct filter filter;
	unsigned int killed;
	int err;

	err = get_filter(info, &filter);
	if (err)
		return err;
	if (!filter.f.by_id && !filter.f.listener && !filter.f.upstream &&
	    !filter.f.server && !filter.f.client) {
		NL_SET_ERR_MSG(info->extack, "at least one filter is required");
		return -EINVAL;
	}
	killed = kproxy_session_kill(kproxy_net(genl_info_net(info)),
				     &filter.f);
	if (!killed && filter.f.by_id) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[KPROXY_A_SESSION_ID],
				    "no such session");
		return -ENOENT;
	}
	return kproxy_netlink_reply(info, put_killed, &killed);
}

static int put_pool(struct sk_buff *skb, const void *object)
{
	struct kproxy_pool_info pool;
	int cpu = *(const int *)object;

	kproxy_pool_info(&kproxy_pool, cpu, &pool);
	if (nla_put_u32(skb, KPROXY_A_POOL_CPU, cpu) ||
	    nla_put_u32(skb, KPROXY_A_POOL_PAGES, pool.pages) ||
	    nla_put_u32(skb, KPROXY_A_POOL_PAGES_FREE, pool.pages_free) ||
	    nla_put_u32(skb, KPROXY_A_POOL_SESSIONS, pool.objects) ||
	    nla_put_u32(skb, KPROXY_A_POOL_SESSIONS_FREE, pool.objects_free) ||
	    nla_put_uint(skb, KPROXY_A_POOL_PAGE_REFILLS, pool.page_refills) ||
	    nla_put_uint(skb, KPROXY_A_POOL_SESSION_REFILLS,
			 pool.object_refills) ||
	    nla_put_uint(skb, KPROXY_A_POOL_FALLBACKS, pool.fallbacks))
		return -EMSGSIZE;
	return 0;
}

struct pool_dump_ctx {
	int cpu;
};

int kproxy_nl_pool_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct pool_dump_ctx *ctx = (void *)cb->ctx;
	int cpu, err;

	/* The pools belong to the host, so containers don't see them. */
	if (kproxy_quota_applies(genl_info_net(genl_info_dump(cb))))
		return 0;
	for_each_possible_cpu(cpu) {
		if (cpu < ctx->cpu)
			continue;
		err = kproxy_netlink_dump(skb, cb, put_pool, &cpu);
		if (err)
			return err;
		ctx->cpu = cpu + 1;
	}
	return 0;
}

/* The totals of a namespace. */
struct totals {
	struct kproxy_stats sum;
	unsigned int sessions;
};

static int put_totals(struct sk_buff *skb, const void *object)
{
	const struct totals *totals = object;

	return kproxy_netlink_put_counters(skb, KPROXY_A_TOTALS_COUNTERS,
					   &totals->sum, totals->sessions);
}

static int reply_totals(struct genl_info *info, bool reset)
{
	struct kproxy_net *kn = kproxy_net(genl_info_net(info));
	struct totals totals;

	kproxy_session_count_stalls(kn);
	kproxy_net_totals(kn, &totals.sum, reset);
	totals.sessions = kproxy_net_used(kn) ?
				  atomic_read(&kn->sessions.nelems) : 0;
	return kproxy_netlink_reply(info, put_totals, &totals);
}

int kproxy_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return reply_totals(info, false);
}

int kproxy_nl_stats_reset_doit(struct sk_buff *skb, struct genl_info *info)
{
	return reply_totals(info, true);
}
