/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_LISTENER_DEATH_H
#define _KPROXY_LISTENER_DEATH_H

struct kproxy_net;

void kproxy_deaths_init(struct kproxy_net *kn);
void kproxy_deaths_stop(struct kproxy_net *kn);

#endif /* _KPROXY_LISTENER_DEATH_H */
