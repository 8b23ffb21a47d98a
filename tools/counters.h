/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_COUNTERS_H
#define KPROXY_COUNTERS_H

#include "field.h"

/* Tables for field_nest(): which counters are kept for what. */
extern const struct field counters_of_listener[];
extern const struct field counters_of_server[];
extern const struct field counters_of_netns[];

#endif
