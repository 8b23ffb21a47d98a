// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that are accepted and then refused. Each is counted, by its reason. A
 * flood of them costs a record and an event now and then only, so that it pushes
 * no ended session out of the log; the counter "unlogged" has the others.
 */
#include <linux/jiffies.h>
#include <net/sock.h>

#include "events.h"
#include "listener.h"
#include "log.h"
#include "refuse.h"
#include "root.h"
#include "sample.h"
#include "session.h"
#include "session-table.h"
#include "stats.h"
#include "upstream.h"

/**
 * kproxy_refuse_reason() - why a session is refused
 * @err: what one of its steps has returned before it had a server
 *
 * Context: any.
 * Return: the reason.
 */
enum kproxy_reason kproxy_refuse_reason(int err)
{
	switch (err) {
	case -EUSERS:
		return KPROXY_REASON_REFUSED_LIMIT;
	case -EDQUOT:
		return KPROXY_REASON_REFUSED_RATE;
	case -ENOMEM:
		return KPROXY_REASON_REFUSED_MEMORY;
	case -ENOENT:
	case -EBUSY:
		return KPROXY_REASON_REFUSED_NO_SERVER;
	default:
		return KPROXY_REASON_REFUSED_HEADER;
	}
}

static void refuse_count(const struct kproxy_listener *l, unsigned int counter)
{
	kproxy_stats_inc(l->obj.kn->stats, counter);
	kproxy_stats_inc(l->stats, counter);
}

/**
 * kproxy_refuse_sample() - choose whether a refused client is logged
 * @l: its listener
 * @omitted: if it is logged, gets how many were not since the last that was
 *
 * Context: process.
 * Return: true if it is; otherwise it is counted.
 */
bool kproxy_refuse_sample(const struct kproxy_listener *l, u32 *omitted)
{
	bool chosen = kproxy_sample_refused(get_cpu_ptr(l->sample), jiffies,
					    omitted);

	put_cpu_ptr(l->sample);
	if (!chosen)
		refuse_count(l, KPROXY_A_COUNTERS_UNLOGGED);
	return chosen;
}

static void refuse_tell(const struct kproxy_refusal *refusal)
{
	kproxy_events->refused(refusal);
	kproxy_log_refusal(READ_ONCE(refusal->listener->obj.kn->log), refusal);
}

/**
 * kproxy_refuse_client() - count and log a client that gets no session object
 * @l: the listener, which has accepted it
 * @client: its socket, still open
 * @reason: why
 *
 * Context: process, may sleep.
 */
void kproxy_refuse_client(struct kproxy_listener *l, const struct sock *client,
			  enum kproxy_reason reason)
{
	struct kproxy_refusal refusal = {
		.listener = l,
		.reason = reason,
	};
	struct kproxy_upstream *up;

	kproxy_listener_refused(l);
	refuse_count(l, KPROXY_COUNTS_END_REASONS + reason);
	if (!kproxy_refuse_sample(l, &refusal.omitted))
		return;
	up = kproxy_listener_upstream(l);
	refusal.id = kproxy_session_new_id(l->obj.kn);
	refusal.upstream = up;
	refusal.began_real = ktime_get_real();
	kproxy_addr_peer(&refusal.client, client);
	kproxy_addr_local(&refusal.local, client);
	refuse_tell(&refusal);
	if (up)
		kproxy_upstream_put(up);
}

/**
 * kproxy_refuse_session() - count and log a session that was not announced
 * @s: the session, its life locked; "refused" has counted it already
 * @reason: why
 *
 * Context: process, may sleep.
 */
void kproxy_refuse_session(const struct kproxy_session *s,
			   enum kproxy_reason reason)
{
	struct kproxy_refusal refusal = {
		.id = s->id,
		.listener = s->listener,
		.upstream = s->upstream,
		.reason = reason,
		.began_real = s->began_real,
		.client = s->client,
		.local = s->local,
		.sni = s->sni,
	};

	refuse_count(s->listener, KPROXY_COUNTS_END_REASONS + reason);
	if (!kproxy_refuse_sample(s->listener, &refusal.omitted))
		return;
	refusal.duration_us = ktime_us_delta(ktime_get(), s->began_mono);
	refuse_tell(&refusal);
}
