// SPDX-License-Identifier: GPL-2.0
/*
 * The session's state machine, as a table and nothing else; session.c acts on
 * new states. Final states never change. An event that means nothing in a state
 * leaves the state unchanged.
 */
#include <linux/types.h>

#include "state.h"

#define ENDS_EARLY					\
	[KPROXY_EV_CLIENT_LOST] = KPROXY_ABORTED,	\
	[KPROXY_EV_TIMEOUT] = KPROXY_ABORTED,		\
	[KPROXY_EV_KILL] = KPROXY_ABORTED

#define ENDS_BY_FAILURE				\
	[KPROXY_EV_RESET] = KPROXY_ABORTED,	\
	[KPROXY_EV_TIMEOUT] = KPROXY_ABORTED,	\
	[KPROXY_EV_KILL] = KPROXY_ABORTED

/* KPROXY_GREETING means no change, because no event leads to it. */
static const u8 transitions[KPROXY_STATES][KPROXY_EVENTS] = {
	[KPROXY_GREETING] = {
		[KPROXY_EV_GREETED] = KPROXY_CHOOSING,
		[KPROXY_EV_REFUSED] = KPROXY_ABORTED,
		ENDS_EARLY,
	},
	[KPROXY_CHOOSING] = {
		[KPROXY_EV_CONNECT] = KPROXY_CONNECTING,
		[KPROXY_EV_TAKEN] = KPROXY_ESTABLISHED,
		[KPROXY_EV_UNREACHABLE] = KPROXY_ABORTED,
		ENDS_EARLY,
	},
	[KPROXY_CONNECTING] = {
		[KPROXY_EV_CONNECTED] = KPROXY_ESTABLISHED,
		[KPROXY_EV_CONNECT_FAILED] = KPROXY_CHOOSING,
		ENDS_EARLY,
	},
	[KPROXY_ESTABLISHED] = {
		[KPROXY_EV_EOF_IN] = KPROXY_CLOSING_IN,
		[KPROXY_EV_EOF_OUT] = KPROXY_CLOSING_OUT,
		ENDS_BY_FAILURE,
	},
	[KPROXY_CLOSING_IN] = {
		[KPROXY_EV_EOF_OUT] = KPROXY_LINGERING,
		ENDS_BY_FAILURE,
	},
	[KPROXY_CLOSING_OUT] = {
		[KPROXY_EV_EOF_IN] = KPROXY_LINGERING,
		ENDS_BY_FAILURE,
	},
	/*
	 * No event for a failed socket: both streams have been passed on
	 * completely.
	 */
	[KPROXY_LINGERING] = {
		[KPROXY_EV_CLOSED] = KPROXY_DONE,
		[KPROXY_EV_TIMEOUT] = KPROXY_ABORTED,
		[KPROXY_EV_KILL] = KPROXY_ABORTED,
	},
};

/**
 * kproxy_state_next() - return the state that follows an event
 * @state: the current state
 * @event: the event
 *
 * Context: any.
 * Return: the next state, or @state if the event changes nothing.
 */
enum kproxy_state kproxy_state_next(enum kproxy_state state,
				    enum kproxy_event event)
{
	return transitions[state][event] ?: state;
}
