/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kproxy

#if !defined(_KPROXY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KPROXY_TRACE_H

#include <linux/tracepoint.h>

#include "listener.h"
#include "server.h"
#include "session.h"
#include "session-splice.h"
#include "upstream.h"

/*
 * Fields keep their names, types and meanings; docs/observability.md lists
 * them. "id" is a session's number, "side" is 0 for the client and 1 for the
 * server.
 */

TRACE_DEFINE_ENUM(KPROXY_CLIENT);
TRACE_DEFINE_ENUM(KPROXY_SERVER);

#define show_side(side)					\
	__print_symbolic(side,				\
		{ KPROXY_CLIENT, "client" },		\
		{ KPROXY_SERVER, "server" })

TRACE_DEFINE_ENUM(KPROXY_PUMP_DRY);
TRACE_DEFINE_ENUM(KPROXY_PUMP_FULL);
TRACE_DEFINE_ENUM(KPROXY_PUMP_RETRY);
TRACE_DEFINE_ENUM(KPROXY_PUMP_YIELD);
TRACE_DEFINE_ENUM(KPROXY_PUMP_EOF);
TRACE_DEFINE_ENUM(KPROXY_PUMP_LIMIT);
TRACE_DEFINE_ENUM(KPROXY_PUMP_BROKEN);

#define show_result(result)				\
	__print_symbolic(result,			\
		{ KPROXY_PUMP_DRY, "dry" },		\
		{ KPROXY_PUMP_FULL, "full" },		\
		{ KPROXY_PUMP_RETRY, "retry" },		\
		{ KPROXY_PUMP_YIELD, "yield" },		\
		{ KPROXY_PUMP_EOF, "eof" },		\
		{ KPROXY_PUMP_LIMIT, "limit" },		\
		{ KPROXY_PUMP_BROKEN, "broken" })

TRACE_DEFINE_ENUM(KPROXY_REASON_NONE);
TRACE_DEFINE_ENUM(KPROXY_REASON_CLIENT_FIN);
TRACE_DEFINE_ENUM(KPROXY_REASON_SERVER_FIN);
TRACE_DEFINE_ENUM(KPROXY_REASON_CLIENT_RESET);
TRACE_DEFINE_ENUM(KPROXY_REASON_SERVER_RESET);
TRACE_DEFINE_ENUM(KPROXY_REASON_UNREACHABLE);
TRACE_DEFINE_ENUM(KPROXY_REASON_IDLE_TIMEOUT);
TRACE_DEFINE_ENUM(KPROXY_REASON_FIN_TIMEOUT);
TRACE_DEFINE_ENUM(KPROXY_REASON_MAX_AGE);
TRACE_DEFINE_ENUM(KPROXY_REASON_KILLED);
TRACE_DEFINE_ENUM(KPROXY_REASON_LISTENER_DELETED);
TRACE_DEFINE_ENUM(KPROXY_REASON_SERVER_DOWN);
TRACE_DEFINE_ENUM(KPROXY_REASON_SHUTDOWN);
TRACE_DEFINE_ENUM(KPROXY_REASON_LIMIT);
TRACE_DEFINE_ENUM(KPROXY_REASON_UNSPLICED);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_NETWORK);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_LIMIT);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_RATE);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_NO_SERVER);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_HEADER);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_MEMORY);
TRACE_DEFINE_ENUM(KPROXY_REASON_REFUSED_LOOP);

#define show_reason(reason)				\
	__print_symbolic(reason,			\
		{ KPROXY_REASON_NONE, "none" },		\
		{ KPROXY_REASON_CLIENT_FIN, "client_fin" }, \
		{ KPROXY_REASON_SERVER_FIN, "server_fin" }, \
		{ KPROXY_REASON_CLIENT_RESET, "client_reset" }, \
		{ KPROXY_REASON_SERVER_RESET, "server_reset" }, \
		{ KPROXY_REASON_UNREACHABLE, "unreachable" }, \
		{ KPROXY_REASON_IDLE_TIMEOUT, "idle_timeout" }, \
		{ KPROXY_REASON_FIN_TIMEOUT, "fin_timeout" }, \
		{ KPROXY_REASON_MAX_AGE, "max_age" },	\
		{ KPROXY_REASON_KILLED, "killed" },	\
		{ KPROXY_REASON_LISTENER_DELETED, "listener_deleted" }, \
		{ KPROXY_REASON_SERVER_DOWN, "server_down" }, \
		{ KPROXY_REASON_SHUTDOWN, "shutdown" },	\
		{ KPROXY_REASON_LIMIT, "limit" },	\
		{ KPROXY_REASON_UNSPLICED, "unspliced" }, \
		{ KPROXY_REASON_REFUSED_NETWORK, "refused_network" }, \
		{ KPROXY_REASON_REFUSED_LIMIT, "refused_limit" }, \
		{ KPROXY_REASON_REFUSED_RATE, "refused_rate" }, \
		{ KPROXY_REASON_REFUSED_NO_SERVER, "refused_no_server" }, \
		{ KPROXY_REASON_REFUSED_HEADER, "refused_header" }, \
		{ KPROXY_REASON_REFUSED_MEMORY, "refused_memory" }, \
		{ KPROXY_REASON_REFUSED_LOOP, "refused_loop" })

TRACE_DEFINE_ENUM(KPROXY_GREETING);
TRACE_DEFINE_ENUM(KPROXY_CHOOSING);
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
		{ KPROXY_CHOOSING, "choosing" },	\
		{ KPROXY_CONNECTING, "connecting" },	\
		{ KPROXY_ESTABLISHED, "established" },	\
		{ KPROXY_CLOSING_IN, "closing-in" },	\
		{ KPROXY_CLOSING_OUT, "closing-out" },	\
		{ KPROXY_LINGERING, "lingering" },	\
		{ KPROXY_DONE, "done" },		\
		{ KPROXY_ABORTED, "aborted" })

TRACE_DEFINE_ENUM(KPROXY_EV_GREETED);
TRACE_DEFINE_ENUM(KPROXY_EV_REFUSED);
TRACE_DEFINE_ENUM(KPROXY_EV_CONNECT);
TRACE_DEFINE_ENUM(KPROXY_EV_CONNECTED);
TRACE_DEFINE_ENUM(KPROXY_EV_CONNECT_FAILED);
TRACE_DEFINE_ENUM(KPROXY_EV_TAKEN);
TRACE_DEFINE_ENUM(KPROXY_EV_EOF_IN);
TRACE_DEFINE_ENUM(KPROXY_EV_EOF_OUT);
TRACE_DEFINE_ENUM(KPROXY_EV_CLOSED);
TRACE_DEFINE_ENUM(KPROXY_EV_UNREACHABLE);
TRACE_DEFINE_ENUM(KPROXY_EV_CLIENT_LOST);
TRACE_DEFINE_ENUM(KPROXY_EV_RESET);
TRACE_DEFINE_ENUM(KPROXY_EV_TIMEOUT);
TRACE_DEFINE_ENUM(KPROXY_EV_KILL);

#define show_event(event)				\
	__print_symbolic(event,				\
		{ KPROXY_EV_GREETED, "greeted" },	\
		{ KPROXY_EV_REFUSED, "refused" },	\
		{ KPROXY_EV_CONNECT, "connect" },	\
		{ KPROXY_EV_CONNECTED, "connected" },	\
		{ KPROXY_EV_CONNECT_FAILED, "connect-failed" }, \
		{ KPROXY_EV_TAKEN, "taken" },		\
		{ KPROXY_EV_EOF_IN, "eof-in" },		\
		{ KPROXY_EV_EOF_OUT, "eof-out" },	\
		{ KPROXY_EV_CLOSED, "closed" },		\
		{ KPROXY_EV_UNREACHABLE, "unreachable" }, \
		{ KPROXY_EV_CLIENT_LOST, "client-lost" }, \
		{ KPROXY_EV_RESET, "reset" },		\
		{ KPROXY_EV_TIMEOUT, "timeout" },	\
		{ KPROXY_EV_KILL, "kill" })

/* A session's state has changed. */
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

/* A client was accepted, and has a session. */
TRACE_EVENT(kproxy_accept,
	TP_PROTO(const struct kproxy_session *s),
	TP_ARGS(s),
	TP_STRUCT__entry(
		__field(u64, id)
		__array(u8, client, sizeof(struct sockaddr_in6))
		__string(listener, kproxy_session_listener(s))
	),
	TP_fast_assign(
		__entry->id = s->id;
		memcpy(__entry->client, &s->client, sizeof(__entry->client));
		__assign_str(listener);
	),
	TP_printk("session=%llu listener=%s client=%pISpc", __entry->id,
		  __get_str(listener), __entry->client)
);

/* A connect has succeeded or failed. */
TRACE_EVENT(kproxy_connect,
	TP_PROTO(const struct kproxy_session *s,
		 const struct kproxy_server *server, int error),
	TP_ARGS(s, server, error),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, us)
		__field(int, error)
		__array(u8, server, sizeof(struct sockaddr_in6))
		__string(upstream, server->upstream->obj.name)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->us = ktime_us_delta(ktime_get(), s->connect_began);
		__entry->error = error;
		memcpy(__entry->server, &server->addr, sizeof(__entry->server));
		__assign_str(upstream);
	),
	TP_printk("session=%llu upstream=%s server=%pISpc us=%llu error=%d",
		  __entry->id, __get_str(upstream), __entry->server,
		  __entry->us, __entry->error)
);

/* A pump has run; "side" is where the bytes came from. */
TRACE_EVENT(kproxy_pump,
	TP_PROTO(const struct kproxy_session *s, int side,
		 const struct kproxy_pump_moved *moved, int result),
	TP_ARGS(s, side, moved, result),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, spliced)
		__field(u64, copied)
		__field(int, side)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->spliced = moved->spliced;
		__entry->copied = moved->copied;
		__entry->side = side;
		__entry->result = result;
	),
	TP_printk("session=%llu from=%s spliced=%llu copied=%llu result=%s",
		  __entry->id, show_side(__entry->side), __entry->spliced,
		  __entry->copied, show_result(__entry->result))
);

/* A fast stream is being coalesced, up to this many bytes or microseconds. */
TRACE_EVENT(kproxy_coalesce,
	TP_PROTO(const struct kproxy_session *s, int from),
	TP_ARGS(s, from),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(int, side)
		__field(u32, bytes)
		__field(u32, us)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->side = from;
		__entry->bytes = s->pumps[from].coalesce.bytes;
		__entry->us = s->pumps[from].coalesce.us;
	),
	TP_printk("session=%llu from=%s bytes=%u us=%u", __entry->id,
		  show_side(__entry->side), __entry->bytes, __entry->us)
);

DECLARE_EVENT_CLASS(kproxy_side_event,
	TP_PROTO(const struct kproxy_session *s, int side),
	TP_ARGS(s, side),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(int, side)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->side = side;
	),
	TP_printk("session=%llu waits_for=%s", __entry->id,
		  show_side(__entry->side))
);

/* Coalescing has timed out before the bytes had come. */
DEFINE_EVENT_PRINT(kproxy_side_event, kproxy_late,
	TP_PROTO(const struct kproxy_session *s, int side),
	TP_ARGS(s, side),
	TP_printk("session=%llu from=%s", __entry->id,
		  show_side(__entry->side))
);

/* A side has run out of room for the other's bytes. */
DEFINE_EVENT(kproxy_side_event, kproxy_stall,
	TP_PROTO(const struct kproxy_session *s, int side),
	TP_ARGS(s, side)
);

/* A side has room again, or the session has ended. */
TRACE_EVENT(kproxy_resume,
	TP_PROTO(const struct kproxy_session *s, int side, u64 total_us),
	TP_ARGS(s, side, total_us),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, total_us)
		__field(int, side)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->total_us = total_us;
		__entry->side = side;
	),
	TP_printk("session=%llu waited_for=%s total_us=%llu", __entry->id,
		  show_side(__entry->side), __entry->total_us)
);

/* A session has ended. */
TRACE_EVENT(kproxy_close,
	TP_PROTO(const struct kproxy_session *s),
	TP_ARGS(s),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, us)
		__field(u64, bytes_in)
		__field(u64, bytes_out)
		__field(u64, stall_client_us)
		__field(u64, stall_server_us)
		__field(int, reason)
		__string(listener, kproxy_session_listener(s))
		__string(upstream, kproxy_session_upstream(s))
	),
	TP_fast_assign(
		const struct kproxy_pump *in = &s->pumps[KPROXY_CLIENT];
		const struct kproxy_pump *out = &s->pumps[KPROXY_SERVER];

		__entry->id = s->id;
		__entry->us = ktime_us_delta(ktime_get(), s->began_mono);
		__entry->bytes_in = in->bytes_spliced + in->bytes_copied;
		__entry->bytes_out = out->bytes_spliced + out->bytes_copied;
		__entry->stall_client_us =
			kproxy_pump_stalled(out) / NSEC_PER_USEC;
		__entry->stall_server_us =
			kproxy_pump_stalled(in) / NSEC_PER_USEC;
		__entry->reason = s->reason;
		__assign_str(listener);
		__assign_str(upstream);
	),
	TP_printk("session=%llu listener=%s upstream=%s reason=%s us=%llu bytes_in=%llu bytes_out=%llu stall_client_us=%llu stall_server_us=%llu",
		  __entry->id, __get_str(listener), __get_str(upstream),
		  show_reason(__entry->reason), __entry->us,
		  __entry->bytes_in, __entry->bytes_out,
		  __entry->stall_client_us, __entry->stall_server_us)
);

#endif /* _KPROXY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
