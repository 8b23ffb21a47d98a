/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_COUNTERS_H
#define KPROXY_COUNTERS_H

#include "field.h"

/**
 * enum counter_scope - where a counter is kept and shown
 * @COUNTS_NETNS: for the network namespace: stats show, top
 * @COUNTS_LISTENER: for each listener
 * @COUNTS_SERVER: for each server
 * @COUNTS_BRIEF: as one of the few that a server has in upstream show
 */
enum counter_scope {
	COUNTS_NETNS = 1 << 0,
	COUNTS_LISTENER = 1 << 1,
	COUNTS_SERVER = 1 << 2,
	COUNTS_BRIEF = 1 << 3,
};

/* All counters of the attribute set "counters". */
extern const struct field counters[];

#endif
