// SPDX-License-Identifier: GPL-2.0
/* Events go up through operations that netlink.c registers. */
#include <linux/cache.h>

#include "events.h"

const struct kproxy_event_ops *kproxy_events __ro_after_init;
