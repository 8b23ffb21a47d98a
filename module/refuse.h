/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_REFUSE_H
#define _KPROXY_REFUSE_H

#include <linux/ktime.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

#include "addr.h"

struct kproxy_listener;
struct kproxy_session;
struct kproxy_upstream;
struct sock;

/* A client whose session does not begin, as events and the log have it. */
struct kproxy_refusal {
	u64 id;
	const struct kproxy_listener *listener;
	/* NULL when the listener is being deleted */
	const struct kproxy_upstream *upstream;
	enum kproxy_reason reason;
	/* how many before it, on this CPU, have neither */
	u32 omitted;
	ktime_t began_real;
	u64 duration_us;
	union kproxy_addr client;
	union kproxy_addr local;
	/* NULL for none */
	const char *sni;
};

/* Whether a session that has ended was refused. */
static inline bool kproxy_reason_refused(enum kproxy_reason reason)
{
	return reason >= KPROXY_REASON_REFUSED_NETWORK &&
	       reason <= KPROXY_REASON_REFUSED_LOOP;
}

enum kproxy_reason kproxy_refuse_reason(int err);
bool kproxy_refuse_sample(const struct kproxy_listener *l, u32 *omitted);
void kproxy_refuse_client(struct kproxy_listener *l, const struct sock *client,
			  enum kproxy_reason reason);
void kproxy_refuse_session(const struct kproxy_session *s,
			   enum kproxy_reason reason);

#endif /* _KPROXY_REFUSE_H */
