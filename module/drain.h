/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_DRAIN_H
#define _KPROXY_DRAIN_H

struct kproxy_listener;
struct kproxy_net;

void kproxy_drain_init(struct kproxy_net *kn);
void kproxy_drain_start(struct kproxy_listener *l, unsigned int rate,
			unsigned int deadline);
void kproxy_drain_stop(struct kproxy_net *kn);

#endif /* _KPROXY_DRAIN_H */
