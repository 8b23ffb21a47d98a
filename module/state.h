/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_STATE_H
#define _KPROXY_STATE_H

/* States of a session; docs/architecture.md has a diagram. */
enum kproxy_state {
	/* the client is accepted and must send its greeting first */
	KPROXY_GREETING,
	/* no connect is under way: choosing a server, or waiting for one */
	KPROXY_CHOOSING,
	/* a connect is under way: it succeeds or is given up, never both */
	KPROXY_CONNECTING,
	/* bytes move both ways */
	KPROXY_ESTABLISHED,
	/* the client has sent its last byte; the server may send more */
	KPROXY_CLOSING_IN,
	/* the server has sent its last byte; the client may send more */
	KPROXY_CLOSING_OUT,
	/* both ends of stream are passed on; the last bytes are in flight */
	KPROXY_LINGERING,
	/* both peers have everything: close both sockets */
	KPROXY_DONE,
	/* reset both sockets */
	KPROXY_ABORTED,

	KPROXY_STATES
};

enum kproxy_event {
	/* the client's greeting was read */
	KPROXY_EV_GREETED,
	/* the greeting was invalid, or the client may not have a session */
	KPROXY_EV_REFUSED,
	/* a connect begins */
	KPROXY_EV_CONNECT,
	/* the server answered */
	KPROXY_EV_CONNECTED,
	/* the connect failed, or took too long and is given up */
	KPROXY_EV_CONNECT_FAILED,
	/* an idle connection was taken */
	KPROXY_EV_TAKEN,
	/* the client's end of stream was passed on to the server */
	KPROXY_EV_EOF_IN,
	/* the server's end of stream was passed on to the client */
	KPROXY_EV_EOF_OUT,
	/* both sockets have closed gracefully */
	KPROXY_EV_CLOSED,
	/* no server could be reached */
	KPROXY_EV_UNREACHABLE,
	/* the client failed before a server had answered */
	KPROXY_EV_CLIENT_LOST,
	/* a socket failed, and what it had received is flushed */
	KPROXY_EV_RESET,
	/* a timeout has expired */
	KPROXY_EV_TIMEOUT,
	/* the session was ended by request */
	KPROXY_EV_KILL,

	KPROXY_EVENTS
};

enum kproxy_state kproxy_state_next(enum kproxy_state state,
				    enum kproxy_event event);

static inline bool kproxy_state_final(enum kproxy_state state)
{
	return state >= KPROXY_DONE;
}

/* Whether no server has answered yet. */
static inline bool kproxy_state_early(enum kproxy_state state)
{
	return state <= KPROXY_CONNECTING;
}

/* Whether both sockets may be used for data. */
static inline bool kproxy_state_connected(enum kproxy_state state)
{
	return state >= KPROXY_ESTABLISHED && state <= KPROXY_CLOSING_OUT;
}

/* Whether both sockets exist and may be inspected. */
static inline bool kproxy_state_linked(enum kproxy_state state)
{
	return state >= KPROXY_ESTABLISHED && state <= KPROXY_LINGERING;
}

#endif /* _KPROXY_STATE_H */
