// SPDX-License-Identifier: GPL-2.0
/*
 * The one place where sockets to servers are made, whatever they are for: so
 * that a session, a check and a connection made ahead do not differ in what
 * their upstream's options, or the policy for their owner, make of them.
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
 * kproxy_connect_open() - make a socket for a connection to a server
 * @server: the server, held
 * @owner: a socket of the owner's, which is not freed during the call
 * @who: what it is for
 * @socket: where it goes
 *
 * It is ready for kproxy_sock_attach_new() and kproxy_source_connect().
 *
 * Context: process, may sleep.
 * Return: 0, the socket being the caller's; or what making it, or setting its
 * options, says.
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
