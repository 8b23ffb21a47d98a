// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>

#include "../state.h"

/* The next state for each state and event; the same if nothing changes. */
struct transition {
	enum kproxy_state from;
	enum kproxy_event event;
	enum kproxy_state to;
};

static const struct transition transitions[] = {
	{ KPROXY_GREETING, KPROXY_EV_GREETED, KPROXY_CHOOSING },
	{ KPROXY_GREETING, KPROXY_EV_REFUSED, KPROXY_ABORTED },
	{ KPROXY_GREETING, KPROXY_EV_CONNECT, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_CONNECTED, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_CONNECT_FAILED, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_TAKEN, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_UNREACHABLE, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_EOF_IN, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_CLOSED, KPROXY_GREETING },
	{ KPROXY_GREETING, KPROXY_EV_CLIENT_LOST, KPROXY_ABORTED },
	{ KPROXY_GREETING, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_GREETING, KPROXY_EV_KILL, KPROXY_ABORTED },
	{ KPROXY_CHOOSING, KPROXY_EV_GREETED, KPROXY_CHOOSING },
	{ KPROXY_CHOOSING, KPROXY_EV_CONNECT, KPROXY_CONNECTING },
	{ KPROXY_CHOOSING, KPROXY_EV_CONNECTED, KPROXY_CHOOSING },
	{ KPROXY_CHOOSING, KPROXY_EV_CONNECT_FAILED, KPROXY_CHOOSING },
	{ KPROXY_CHOOSING, KPROXY_EV_TAKEN, KPROXY_ESTABLISHED },
	{ KPROXY_CHOOSING, KPROXY_EV_UNREACHABLE, KPROXY_ABORTED },
	{ KPROXY_CHOOSING, KPROXY_EV_EOF_IN, KPROXY_CHOOSING },
	{ KPROXY_CHOOSING, KPROXY_EV_CLIENT_LOST, KPROXY_ABORTED },
	{ KPROXY_CHOOSING, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_CHOOSING, KPROXY_EV_KILL, KPROXY_ABORTED },
	{ KPROXY_CONNECTING, KPROXY_EV_GREETED, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_REFUSED, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_CONNECT, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_CONNECTED, KPROXY_ESTABLISHED },
	{ KPROXY_CONNECTING, KPROXY_EV_CONNECT_FAILED, KPROXY_CHOOSING },
	{ KPROXY_CONNECTING, KPROXY_EV_TAKEN, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_UNREACHABLE, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_EOF_IN, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_EOF_OUT, KPROXY_CONNECTING },
	{ KPROXY_CONNECTING, KPROXY_EV_CLIENT_LOST, KPROXY_ABORTED },
	{ KPROXY_CONNECTING, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_CONNECTING, KPROXY_EV_KILL, KPROXY_ABORTED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_CONNECT_FAILED, KPROXY_ESTABLISHED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_CLIENT_LOST, KPROXY_ESTABLISHED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_CONNECTED, KPROXY_ESTABLISHED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_UNREACHABLE, KPROXY_ESTABLISHED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_EOF_IN, KPROXY_CLOSING_IN },
	{ KPROXY_ESTABLISHED, KPROXY_EV_EOF_OUT, KPROXY_CLOSING_OUT },
	{ KPROXY_ESTABLISHED, KPROXY_EV_RESET, KPROXY_ABORTED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_ESTABLISHED, KPROXY_EV_KILL, KPROXY_ABORTED },
	{ KPROXY_CLOSING_IN, KPROXY_EV_EOF_IN, KPROXY_CLOSING_IN },
	{ KPROXY_CLOSING_IN, KPROXY_EV_EOF_OUT, KPROXY_LINGERING },
	{ KPROXY_CLOSING_IN, KPROXY_EV_CLOSED, KPROXY_CLOSING_IN },
	{ KPROXY_CLOSING_IN, KPROXY_EV_RESET, KPROXY_ABORTED },
	{ KPROXY_CLOSING_IN, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_CLOSING_IN, KPROXY_EV_KILL, KPROXY_ABORTED },
	{ KPROXY_CLOSING_OUT, KPROXY_EV_EOF_OUT, KPROXY_CLOSING_OUT },
	{ KPROXY_CLOSING_OUT, KPROXY_EV_EOF_IN, KPROXY_LINGERING },
	{ KPROXY_LINGERING, KPROXY_EV_CLOSED, KPROXY_DONE },
	{ KPROXY_LINGERING, KPROXY_EV_RESET, KPROXY_LINGERING },
	{ KPROXY_LINGERING, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_CLOSING_OUT, KPROXY_EV_RESET, KPROXY_ABORTED },
	{ KPROXY_CLOSING_OUT, KPROXY_EV_TIMEOUT, KPROXY_ABORTED },
	{ KPROXY_CLOSING_OUT, KPROXY_EV_KILL, KPROXY_ABORTED },
};

static void event_leads_to_the_next_state(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(transitions); i++) {
		const struct transition *t = &transitions[i];

		KUNIT_EXPECT_EQ_MSG(test, kproxy_state_next(t->from, t->event),
				    t->to, "state %d, event %d", t->from,
				    t->event);
	}
}

static void final_state_never_changes(struct kunit *test)
{
	enum kproxy_event event;

	for (event = 0; event < KPROXY_EVENTS; event++) {
		KUNIT_EXPECT_EQ(test, kproxy_state_next(KPROXY_DONE, event),
				KPROXY_DONE);
		KUNIT_EXPECT_EQ(test, kproxy_state_next(KPROXY_ABORTED, event),
				KPROXY_ABORTED);
	}
}

/* A kill ends a session in any state. */
static void kill_ends_every_state(struct kunit *test)
{
	enum kproxy_state state, next;

	for (state = 0; state < KPROXY_STATES; state++) {
		next = kproxy_state_next(state, KPROXY_EV_KILL);
		KUNIT_EXPECT_TRUE(test, kproxy_state_final(next));
	}
}

/* A connect either succeeds or is given up; the first event decides. */
static void connect_succeeds_or_is_given_up(struct kunit *test)
{
	enum kproxy_state state;

	state = kproxy_state_next(KPROXY_CONNECTING, KPROXY_EV_CONNECT_FAILED);
	KUNIT_EXPECT_EQ(test, kproxy_state_next(state, KPROXY_EV_CONNECTED),
			state);

	state = kproxy_state_next(KPROXY_CONNECTING, KPROXY_EV_CONNECTED);
	KUNIT_EXPECT_EQ(test,
			kproxy_state_next(state, KPROXY_EV_CONNECT_FAILED),
			state);
}

/* The server may have got bytes by then, so no other server may be chosen. */
static void nothing_leads_back_from_established(struct kunit *test)
{
	enum kproxy_state state;
	enum kproxy_event event;

	for (state = KPROXY_ESTABLISHED; state < KPROXY_STATES; state++)
		for (event = 0; event < KPROXY_EVENTS; event++)
			KUNIT_EXPECT_GE(test, kproxy_state_next(state, event),
					state == KPROXY_ABORTED ?
						KPROXY_ABORTED :
						KPROXY_ESTABLISHED);
}

static void both_ends_of_stream_in_any_order_linger(struct kunit *test)
{
	enum kproxy_state state;

	state = kproxy_state_next(KPROXY_ESTABLISHED, KPROXY_EV_EOF_IN);
	state = kproxy_state_next(state, KPROXY_EV_EOF_OUT);
	KUNIT_EXPECT_EQ(test, state, KPROXY_LINGERING);

	state = kproxy_state_next(KPROXY_ESTABLISHED, KPROXY_EV_EOF_OUT);
	state = kproxy_state_next(state, KPROXY_EV_EOF_IN);
	KUNIT_EXPECT_EQ(test, state, KPROXY_LINGERING);
}

static void only_live_states_use_the_server(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, kproxy_state_connected(KPROXY_GREETING));
	KUNIT_EXPECT_FALSE(test, kproxy_state_connected(KPROXY_CHOOSING));
	KUNIT_EXPECT_FALSE(test, kproxy_state_connected(KPROXY_CONNECTING));
	KUNIT_EXPECT_TRUE(test, kproxy_state_connected(KPROXY_ESTABLISHED));
	KUNIT_EXPECT_TRUE(test, kproxy_state_connected(KPROXY_CLOSING_IN));
	KUNIT_EXPECT_TRUE(test, kproxy_state_connected(KPROXY_CLOSING_OUT));
	KUNIT_EXPECT_FALSE(test, kproxy_state_connected(KPROXY_LINGERING));
	KUNIT_EXPECT_FALSE(test, kproxy_state_connected(KPROXY_DONE));
	KUNIT_EXPECT_FALSE(test, kproxy_state_connected(KPROXY_ABORTED));
}

static void only_the_first_states_are_early(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, kproxy_state_early(KPROXY_GREETING));
	KUNIT_EXPECT_TRUE(test, kproxy_state_early(KPROXY_CHOOSING));
	KUNIT_EXPECT_TRUE(test, kproxy_state_early(KPROXY_CONNECTING));
	KUNIT_EXPECT_FALSE(test, kproxy_state_early(KPROXY_ESTABLISHED));
	KUNIT_EXPECT_FALSE(test, kproxy_state_early(KPROXY_ABORTED));
}

static struct kunit_case state_cases[] = {
	KUNIT_CASE(event_leads_to_the_next_state),
	KUNIT_CASE(final_state_never_changes),
	KUNIT_CASE(kill_ends_every_state),
	KUNIT_CASE(connect_succeeds_or_is_given_up),
	KUNIT_CASE(nothing_leads_back_from_established),
	KUNIT_CASE(both_ends_of_stream_in_any_order_linger),
	KUNIT_CASE(only_live_states_use_the_server),
	KUNIT_CASE(only_the_first_states_are_early),
	{}
};

static struct kunit_suite state_suite = {
	.name = "kproxy_state",
	.test_cases = state_cases,
};

kunit_test_suite(state_suite);
