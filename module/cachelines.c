// SPDX-License-Identifier: GPL-2.0
/*
 * Which fields share no cache line, checked at build time. What all processors
 * read for each session or each byte stays apart from what sessions write, and
 * from what another direction or another session writes.
 */
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/kconfig.h>
#include <linux/stddef.h>

#include "choice.h"
#include "listener.h"
#include "object.h"
#include "pump.h"
#include "root.h"
#include "server.h"
#include "session.h"
#include "upstream.h"

#define LINE(at) ((at) / SMP_CACHE_BYTES)

/* The lines of a field end before those of another one begin. */
#define BEFORE(type, field, next) \
	static_assert(!IS_ENABLED(CONFIG_SMP) || \
		      LINE(offsetofend(type, field) - 1) < \
		      LINE(offsetof(type, next)))

/* A structure fills its lines, so that its neighbours have others. */
#define FILLS(type) \
	static_assert(!IS_ENABLED(CONFIG_SMP) || \
		      sizeof(type) % SMP_CACHE_BYTES == 0)

/* At most a KiB, where locks have their usual size. */
#define SMALL(type) \
	static_assert(IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC) || \
		      IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || \
		      IS_ENABLED(CONFIG_PREEMPT_RT) || \
		      SMP_CACHE_BYTES > 64 || sizeof(type) <= 1024)

/* A session: what every run reads, each direction, the rest. */
FILLS(struct kproxy_session);
SMALL(struct kproxy_session);
FILLS(struct kproxy_pump);
BEFORE(struct kproxy_session, flags, pumps);
BEFORE(struct kproxy_session, socks, pumps);
BEFORE(struct kproxy_session, server_stats, pumps);
BEFORE(struct kproxy_session, pumps[KPROXY_CLIENT], pumps[KPROXY_SERVER]);
BEFORE(struct kproxy_session, pumps, pump_work);
BEFORE(struct kproxy_session, server_stats, refs);
/* Most runs need no more than this of a direction. */
static_assert(LINE(offsetofend(struct kproxy_pump, stall) - 1) == 0);

/* Objects: what is read of them, and what sessions write. */
FILLS(struct kproxy_object);
BEFORE(struct kproxy_object, name, refs);
BEFORE(struct kproxy_object, states, refs);
FILLS(struct kproxy_listener);
BEFORE(struct kproxy_listener, obj, stats);
BEFORE(struct kproxy_listener, stats, lock);
BEFORE(struct kproxy_listener, upstream, lock);
BEFORE(struct kproxy_listener, options, lock);
BEFORE(struct kproxy_listener, routes, lock);
BEFORE(struct kproxy_upstream, obj, options);
BEFORE(struct kproxy_upstream, options, choice.turns.taken);
BEFORE(struct kproxy_choice, tiers, turns.taken);
BEFORE(struct kproxy_choice, stale, turns.taken);
BEFORE(struct kproxy_choice, queue, turns.taken);
BEFORE(struct kproxy_choice, turns.cpus, turns.taken);
FILLS(struct kproxy_choice);
FILLS(struct kproxy_server);
BEFORE(struct kproxy_server, stats, refs);
BEFORE(struct kproxy_server, options, check.work);
BEFORE(struct kproxy_server, options, refs);
BEFORE(struct kproxy_server, preconnect, refs);

/* A namespace. Every network namespace of the host has one, used or not. */
SMALL(struct kproxy_net);
BEFORE(struct kproxy_net, stats, last_id);
BEFORE(struct kproxy_net, cpus, last_id);
BEFORE(struct kproxy_net, log, last_id);
BEFORE(struct kproxy_net, sessions.tbl, sessions.nelems);
BEFORE(struct kproxy_net, sessions.p, sessions.nelems);
BEFORE(struct kproxy_net, sessions.nelems, last_id);
