/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SLOW_START_H
#define _KPROXY_SLOW_START_H

#include <linux/types.h>

struct kproxy_server;

/* A server's whole share of its weight. */
#define KPROXY_SHARE_FULL 16U

unsigned int kproxy_slow_start_share(unsigned long back, unsigned long now,
				     unsigned int ms);
void kproxy_slow_start_begin(struct kproxy_server *server);
unsigned int kproxy_slow_start_weight(struct kproxy_server *server,
				      unsigned int weight, unsigned int ms,
				      bool *growing);
unsigned long kproxy_slow_start_step(unsigned int ms);

#endif /* _KPROXY_SLOW_START_H */
