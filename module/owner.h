/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_OWNER_H
#define _KPROXY_OWNER_H

#include <linux/types.h>

struct net;
struct sock;

struct sock *kproxy_owner_new(struct net *net);
void kproxy_owner_free(struct sock *owner);
int kproxy_owner_label(struct sock *sk);
void kproxy_owner_give(struct sock *sk, const struct sock *owner);
bool kproxy_owner_same(const struct sock *a, const struct sock *b);

#endif /* _KPROXY_OWNER_H */
