// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>

#include "../sockopts.h"

static void defaults_do_not_differ(struct kunit *test)
{
	const struct kproxy_sockopts opts = KPROXY_SOCKOPTS_DEFAULTS;

	KUNIT_EXPECT_EQ(test, kproxy_sockopts_differ(&kproxy_sockopts_defaults,
						     &opts), 0);
}

struct change {
	const char *name;
	size_t offset;
	enum kproxy_sockopt option;
};

#define CHANGE(field, option)						\
	{ #field, offsetof(struct kproxy_sockopts, field),		\
	  KPROXY_SOCKOPT_##option }

static const struct change changes[] = {
	CHANGE(nodelay, NODELAY),
	CHANGE(keepalive.idle, KEEPALIVE),
	CHANGE(keepalive.interval, KEEPALIVE),
	CHANGE(keepalive.count, KEEPALIVE),
	CHANGE(rcvbuf, RCVBUF),
	CHANGE(sndbuf, SNDBUF),
	CHANGE(congestion[0], CONGESTION),
	CHANGE(congestion[TCP_CA_NAME_MAX - 2], CONGESTION),
	CHANGE(user_timeout, USER_TIMEOUT),
	CHANGE(notsent_lowat, NOTSENT_LOWAT),
	CHANGE(dscp, DSCP),
	CHANGE(mark, MARK),
	CHANGE(fastopen, FASTOPEN),
	CHANGE(pacing, PACING),
};

static void change_name(const struct change *change, char *desc)
{
	strscpy(desc, change->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(changes, changes, change_name);

static void change_is_seen_as_that_of_its_option(struct kunit *test)
{
	const struct change *change = test->param_value;
	struct kproxy_sockopts opts = kproxy_sockopts_defaults;

	*((u8 *)&opts + change->offset) ^= 1;
	KUNIT_EXPECT_EQ(test, kproxy_sockopts_differ(&kproxy_sockopts_defaults,
						     &opts),
			BIT(change->option));
	KUNIT_EXPECT_EQ(test, kproxy_sockopts_differ(&opts,
						     &kproxy_sockopts_defaults),
			BIT(change->option));
}

static void changes_are_seen_together(struct kunit *test)
{
	struct kproxy_sockopts opts = kproxy_sockopts_defaults;

	opts.mark = 7;
	opts.pacing = 1ULL << 40;
	KUNIT_EXPECT_EQ(test, kproxy_sockopts_differ(&kproxy_sockopts_defaults,
						     &opts),
			BIT(KPROXY_SOCKOPT_MARK) | BIT(KPROXY_SOCKOPT_PACING));
}

static struct kunit_case sockopts_cases[] = {
	KUNIT_CASE(defaults_do_not_differ),
	KUNIT_CASE_PARAM(change_is_seen_as_that_of_its_option,
			 changes_gen_params),
	KUNIT_CASE(changes_are_seen_together),
	{}
};

static struct kunit_suite sockopts_suite = {
	.name = "kproxy_sockopts",
	.test_cases = sockopts_cases,
};

kunit_test_suite(sockopts_suite);
