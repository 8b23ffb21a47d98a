/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_STATE_H
#define _KPROXY_STATE_H

/* Where a session is in its life; docs/architecture.md draws it. */
enum kproxy_state {
	/* the client is accepted and has to say who it is first */
	KPROXY_GREETING,
	/* no connect is under way: a server is chosen, or waited for */
	KPROXY_CHOOSING,
	/* a connect is under way: it succeeds or is given up, never both */
	KPROXY_CONNECTING,
	/* bytes move both ways */
	KPROXY_ESTABLISHED,
	/* the client has sent its last byte, the server goes on */
	KPROXY_CLOSING_IN,
	/* the server has sent its last byte, the client goes on */
	KPROXY_CLOSING_OUT,
	/* both ends of stream are passed on, their last bytes are under way */
	KPROXY_LINGERING,
	/* both peers have everything: close both sockets */
	KPROXY_DONE,
	/* reset both sockets */
	KPROXY_ABORTED,

	KPROXY_STATES
};

enum kproxy_event {
	/* the client's header was read */
	KPROXY_EV_GREETED,
	/* the client said nothing that it may, or may not have a session */
	KPROXY_EV_REFUSED,
	/* a connect begins */
	KPROXY_EV_CONNECT,
	/* the server answered */
	KPROXY_EV_CONNECTED,
	/* the connect failed, or took too long and is given up */
	KPROXY_EV_CONNECT_FAILED,
	/* a connection that was made ahead is taken */
	KPROXY_EV_TAKEN,
	/* the client's end of stream was passed on to the server */
	KPROXY_EV_EOF_IN,
	/* the server's end of stream was passed on to the client */
	KPROXY_EV_EOF_OUT,
	/* both sockets have come to their end by themselves */
	KPROXY_EV_CLOSED,
	/* no server could be reached */
	KPROXY_EV_UNREACHABLE,
	/* the client failed before there was a server to get its bytes */
	KPROXY_EV_CLIENT_LOST,
	/* a socket failed, and what it had received is passed on */
	KPROXY_EV_RESET,
	/* a time-out of the listener has passed */
	KPROXY_EV_TIMEOUT,
	/* somebody asked for the session's end */
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

/* Whether there are two sockets to look at. */
static inline bool kproxy_state_linked(enum kproxy_state state)
{
	return state >= KPROXY_ESTABLISHED && state <= KPROXY_LINGERING;
}

#endif /* _KPROXY_STATE_H */
