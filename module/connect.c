// SPDX-License-Identifier: GPL-2.0
/*
 * Creates all sockets that connect to servers, so that sessions, checks and
 * idle connections get the same options of the upstream, and the same policy of
 * the owner.
 */
#include <linux/net.h>

#include "connect.h"
#include "root.h"
#include "server.h"
#include "sock.h"
#include "sockopts.h"
#include "upstream.h"

static int connect_set_options(struct kproxy_upstream *up,
			       enum kproxy_connect_for who,
			       struct socket *socket)
{
	struct kproxy_sockopts opts;
	enum kproxy_sockopt bad;

	if (likely(!kproxy_upstream_sockopts(up, &opts)))
		return 0;
	if (who == KPROXY_CONNECT_FOR_NOBODY)
		opts.fastopen = 0;
	return kproxy_sockopts_apply(socket, KPROXY_SOCKOPTS_CONNECT,
				     &kproxy_sockopts_defaults, &opts, &bad);
}

/**
 * kproxy_connect_open() - create a socket for a connection to a server
 * @server: the server, held
 * @owner: a socket of the owner, which is not freed during the call
 * @who: what the connection is for
 * @socket: where the socket is stored
 *
 * The socket is ready for kproxy_sock_attach_new() and kproxy_source_connect().
 *
 * Context: process, may sleep.
 * Return: 0, and the caller owns the socket; or the error of creating it or of
 * setting its options.
 */
int kproxy_connect_open(struct kproxy_server *server, const struct sock *owner,
			enum kproxy_connect_for who, struct socket **socket)
{
	int err;

	err = kproxy_sock_create_for(server->upstream->obj.kn->net,
				     server->addr.sa.sa_family, owner, socket);
	if (err)
		return err;
	err = connect_set_options(server->upstream, who, *socket);
	if (err)
		sock_release(*socket);
	return err;
}
