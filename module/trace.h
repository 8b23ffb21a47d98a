/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kproxy

#if !defined(_KPROXY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KPROXY_TRACE_H

#include <linux/tracepoint.h>

#include "session.h"

TRACE_DEFINE_ENUM(KPROXY_GREETING);
TRACE_DEFINE_ENUM(KPROXY_CONNECTING);
TRACE_DEFINE_ENUM(KPROXY_ESTABLISHED);
TRACE_DEFINE_ENUM(KPROXY_CLOSING_IN);
TRACE_DEFINE_ENUM(KPROXY_CLOSING_OUT);
TRACE_DEFINE_ENUM(KPROXY_LINGERING);
TRACE_DEFINE_ENUM(KPROXY_DONE);
TRACE_DEFINE_ENUM(KPROXY_ABORTED);

#define show_state(state)				\
	__print_symbolic(state,				\
		{ KPROXY_GREETING, "greeting" },	\
		{ KPROXY_CONNECTING, "connecting" },	\
		{ KPROXY_ESTABLISHED, "established" },	\
		{ KPROXY_CLOSING_IN, "closing-in" },	\
		{ KPROXY_CLOSING_OUT, "closing-out" },	\
		{ KPROXY_LINGERING, "lingering" },	\
		{ KPROXY_DONE, "done" },		\
		{ KPROXY_ABORTED, "aborted" })

TRACE_DEFINE_ENUM(KPROXY_EV_GREETED);
TRACE_DEFINE_ENUM(KPROXY_EV_REFUSED);
TRACE_DEFINE_ENUM(KPROXY_EV_CONNECTED);
TRACE_DEFINE_ENUM(KPROXY_EV_EOF_IN);
TRACE_DEFINE_ENUM(KPROXY_EV_EOF_OUT);
TRACE_DEFINE_ENUM(KPROXY_EV_CLOSED);
TRACE_DEFINE_ENUM(KPROXY_EV_UNREACHABLE);
TRACE_DEFINE_ENUM(KPROXY_EV_RESET);
TRACE_DEFINE_ENUM(KPROXY_EV_TIMEOUT);
TRACE_DEFINE_ENUM(KPROXY_EV_KILL);

#define show_event(event)				\
	__print_symbolic(event,				\
		{ KPROXY_EV_GREETED, "greeted" },	\
		{ KPROXY_EV_REFUSED, "refused" },	\
		{ KPROXY_EV_CONNECTED, "connected" },	\
		{ KPROXY_EV_EOF_IN, "eof-in" },		\
		{ KPROXY_EV_EOF_OUT, "eof-out" },	\
		{ KPROXY_EV_CLOSED, "closed" },		\
		{ KPROXY_EV_UNREACHABLE, "unreachable" }, \
		{ KPROXY_EV_RESET, "reset" },		\
		{ KPROXY_EV_TIMEOUT, "timeout" },	\
		{ KPROXY_EV_KILL, "kill" })

/* A session goes from one state to another. */
TRACE_EVENT(kproxy_state,
	TP_PROTO(const struct kproxy_session *s, int old, int new, int event),
	TP_ARGS(s, old, new, event),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(int, old)
		__field(int, new)
		__field(int, event)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->old = old;
		__entry->new = new;
		__entry->event = event;
	),
	TP_printk("session=%llu event=%s %s -> %s", __entry->id,
		  show_event(__entry->event), show_state(__entry->old),
		  show_state(__entry->new))
);

#endif /* _KPROXY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
