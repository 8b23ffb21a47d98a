/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_START_H
#define _KPROXY_START_H

struct kproxy_listen_sock;
struct kproxy_listen_sock_cpu;
struct socket;

void kproxy_start_init(struct kproxy_listen_sock_cpu *cpu);
void kproxy_start(struct kproxy_listen_sock *lsock, struct socket *client);
void kproxy_start_flush(struct kproxy_listen_sock *lsock);

#endif /* _KPROXY_START_H */
