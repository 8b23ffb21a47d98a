/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_NETNS_H
#define _KPROXY_NETNS_H

#include <linux/types.h>

struct kproxy_net;
struct kproxy_stats;

int kproxy_net_setup(struct kproxy_net *kn);
void kproxy_net_totals(struct kproxy_net *kn, struct kproxy_stats *sum,
		       bool reset);
int kproxy_netns_init(void);
void kproxy_netns_exit(void);

#endif /* _KPROXY_NETNS_H */
