// SPDX-License-Identifier: GPL-2.0
/*
 * Where to connect to a server from. A socket is bound to an address only and
 * gets its port from connect() (IP_BIND_ADDRESS_NO_PORT). Thus the number of
 * connections per server is limited by the ports, not that of all connections.
 *
 * Each server counts its own turns. With one count per upstream, two servers in
 * turn would each use only one of two addresses.
 */
#include <linux/ratelimit.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "server.h"
#include "sock.h"
#include "source.h"
#include "upstream.h"

static int source_bind(struct socket *socket, const union kproxy_addr *addr)
{
	inet_set_bit(BIND_ADDRESS_NO_PORT, socket->sk);
	return kernel_bind(socket, (struct sockaddr_unsized *)addr,
			   kproxy_addr_size(addr));
}

/**
 * kproxy_source_try() - check whether an address is local
 * @net: the namespace
 * @addr: the address, whose port is ignored
 *
 * Context: process, may sleep.
 * Return: 0; -EADDRNOTAVAIL if it is not; or another error of the kernel's.
 */
int kproxy_source_try(struct net *net, const union kproxy_addr *addr)
{
	union kproxy_addr any_port = *addr;
	struct socket *socket;
	int err;

	any_port.v4.sin_port = 0;
	err = kproxy_sock_create(net, addr->sa.sa_family, &socket);
	if (err)
		return err;
	err = source_bind(socket, &any_port);
	sock_release(socket);
	return err;
}

/**
 * kproxy_source_pick() - pick the address of a family whose turn it is
 * @source: the addresses; one that is half changed does no harm
 * @family: AF_INET or AF_INET6
 * @turn: the turn
 * @addr: where the address is stored, untouched if there is none
 *
 * Context: any.
 * Return: the number of addresses of that family.
 */
unsigned int kproxy_source_pick(const struct kproxy_source *source, int family,
				unsigned int turn, union kproxy_addr *addr)
{
	unsigned int nr = min(READ_ONCE(source->nr), KPROXY_SOURCES_MAX);
	unsigned int i, fit = 0;
	u8 fits[KPROXY_SOURCES_MAX];

	for (i = 0; i < nr; i++)
		if (source->addrs[i].sa.sa_family == family)
			fits[fit++] = i;
	if (fit)
		*addr = source->addrs[fits[turn % fit]];
	return fit;
}

/* Limit the ports that connect() may choose for a new socket. */
static void set_ports(struct socket *socket, u16 low, u16 high)
{
	WRITE_ONCE(inet_sk(socket->sk)->local_port_range, (u32)high << 16 | low);
}

/*
 * With a range set, connect() takes the next free port, odd or even. Without
 * one, it tries all even ports first, which means a full scan once half of all
 * ports are taken. Bounds outside net.ipv4.ip_local_port_range are ignored.
 */
static void set_any_port(struct socket *socket)
{
	set_ports(socket, 1, U16_MAX);
}

static int source_connect(struct socket *socket, const union kproxy_addr *to)
{
	return kernel_connect(socket, (struct sockaddr_unsized *)to,
			      kproxy_addr_size(to), O_NONBLOCK);
}

/*
 * The address whose turn it is, as they are at one moment; how many there are of
 * the family, 0 for the kernel's choice.
 */
static unsigned int upstream_pick(const struct kproxy_upstream *up, int family,
				  unsigned int turn, union kproxy_addr *addr)
{
	unsigned int seq, nr;

	do {
		seq = read_seqcount_begin(&up->source_seq);
		nr = kproxy_source_pick(&up->options.source, family, turn,
					addr);
	} while (read_seqcount_retry(&up->source_seq, seq));
	return nr;
}

/* One address after the other, while they have no port left for this server. */
static int connect_in_turn(struct kproxy_server *server, struct socket *socket,
			   const union kproxy_addr *to)
{
	unsigned int turn = atomic_inc_return(&server->turns), nr, i = 0;
	union kproxy_addr addr;
	int err;

	do {
		nr = upstream_pick(server->upstream, to->sa.sa_family, turn + i,
				   &addr);
		if (!nr)
			return source_connect(socket, to);
		err = source_bind(socket, &addr);
		if (!err)
			err = source_connect(socket, to);
	} while (err == -EADDRNOTAVAIL && ++i < nr);
	return err;
}

/*
 * The client's port is requested as a range of one, not bound, because
 * connect() does not choose bound ports for other sockets.
 */
static int connect_as(const struct kproxy_server *server, struct socket *socket,
		      const union kproxy_addr *to,
		      const union kproxy_addr *client)
{
	u16 port = ntohs(kproxy_addr_port(client));
	union kproxy_addr addr = *client;
	int err;

	if (client->sa.sa_family != to->sa.sa_family) {
		net_warn_ratelimited("kproxy: upstream %s: client %pISpc has no address to connect to %pISpc from\n",
				     server->upstream->obj.name, client, to);
		return -EAFNOSUPPORT;
	}
	inet_set_bit(TRANSPARENT, socket->sk);
	addr.v4.sin_port = 0;
	err = source_bind(socket, &addr);
	if (err)
		return err;
	set_ports(socket, port, port);
	err = source_connect(socket, to);
	if (err != -EADDRNOTAVAIL)
		return err;
	set_any_port(socket);
	return source_connect(socket, to);
}

/**
 * kproxy_source_connect() - begin to connect to a server
 * @server: the server, held
 * @socket: a new socket of the family of @to
 * @to: the address to connect to, in most cases the server's
 * @client: the client's address; NULL for a check, which uses a local address
 *
 * Context: process, may sleep.
 * Return: the result of kernel_connect(); -EADDRNOTAVAIL if no address has a
 * port left for this server, or none is local any more; -EAFNOSUPPORT if the
 * client's family differs from the server's.
 */
int kproxy_source_connect(struct kproxy_server *server, struct socket *socket,
			  const union kproxy_addr *to,
			  const union kproxy_addr *client)
{
	set_any_port(socket);
	switch (READ_ONCE(server->upstream->options.source.mode)) {
	case KPROXY_SOURCE_ADDRESS:
		return connect_in_turn(server, socket, to);
	case KPROXY_SOURCE_CLIENT:
		if (client)
			return connect_as(server, socket, to, client);
		fallthrough;
	default:
		return source_connect(socket, to);
	}
}
