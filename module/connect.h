/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CONNECT_H
#define _KPROXY_CONNECT_H

struct kproxy_server;
struct sock;
struct socket;

/* What a connection to a server is for. */
enum kproxy_connect_for {
	/* a client, whose first bytes may be sent with the SYN */
	KPROXY_CONNECT_FOR_CLIENT,
	/* an idle connection or a check: nothing to send yet */
	KPROXY_CONNECT_FOR_NOBODY,
};

int kproxy_connect_open(struct kproxy_server *server, const struct sock *owner,
			enum kproxy_connect_for who, struct socket **socket);

#endif /* _KPROXY_CONNECT_H */
