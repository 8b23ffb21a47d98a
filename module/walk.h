/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_WALK_H
#define _KPROXY_WALK_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>

struct kproxy_net;
struct kproxy_session;

/* A walk through all sessions, in parts. Its owner's. */
struct kproxy_session_walk {
	struct kproxy_net *kn;
	struct rhashtable_iter iter;
	/* only compared: it may be gone */
	const struct kproxy_session *last;
	/* in this part */
	unsigned int looked;
	bool resumed;
	/* how often it had to begin again, since the table was resized */
	unsigned int restarts;
};

#endif /* _KPROXY_WALK_H */
