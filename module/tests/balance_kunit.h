/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_BALANCE_KUNIT_H
#define _KPROXY_BALANCE_KUNIT_H

#include <kunit/test.h>

#include "../addr.h"
#include "../balance.h"

/* A server of these tests, which nobody connects to. */
struct dummy {
	union kproxy_addr addr;
	atomic_t sessions;
	struct kproxy_delay delay;
	unsigned int weight;
	/* times that it was chosen */
	unsigned int chosen;
};

struct balance_fixture {
	struct dummy *servers;
	unsigned int nr;
	struct kproxy_turns turns;
};

int balance_fixture_init(struct kunit *test);
void balance_servers(struct kunit *test, unsigned int nr, unsigned int weight);
struct kproxy_balancer *balance_build(struct kunit *test,
				      enum kproxy_balance method);
struct dummy *balance_choose(const struct kproxy_balancer *b, u32 hash);

#endif /* _KPROXY_BALANCE_KUNIT_H */
