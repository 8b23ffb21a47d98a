/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_START_H
#define _KPROXY_START_H

#include <linux/types.h>

struct kproxy_listener;
struct kproxy_sock;
struct socket;

void kproxy_start_init(void);
void kproxy_start(struct kproxy_listener *l, const struct kproxy_sock *from,
		  struct socket *client);
void kproxy_start_flush(void);

#endif /* _KPROXY_START_H */
