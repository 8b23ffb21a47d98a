// SPDX-License-Identifier: GPL-2.0
/*
 * Where a server is connected from. A socket is bound to an address alone and
 * gets its port when it connects (IP_BIND_ADDRESS_NO_PORT), so that it is pairs
 * of addresses and ports of which there is a limited number, and not ports.
 *
 * A server takes the addresses in turns of its own. With one count for all of
 * an upstream, two servers in turn would each have one of two addresses only.
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
 * kproxy_source_try() - find out whether an address is one of this host
 * @net: the namespace
 * @addr: the address, whose port does not count
 *
 * Context: process, may sleep.
 * Return: 0; -EADDRNOTAVAIL when it is not; or what the kernel says of it.
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
 * kproxy_source_pick() - the address of a family whose turn it is
 * @source: the addresses; one that is half changed is no harm
 * @family: AF_INET or AF_INET6
 * @turn: the turn
 * @addr: where the address goes, untouched when there is none
 *
 * Context: any.
 * Return: how many there are of that family.
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

/* Take the port from these when the socket, which is new, connects. */
static void set_ports(struct socket *socket, u16 low, u16 high)
{
	WRITE_ONCE(inet_sk(socket->sk)->local_port_range, (u32)high << 16 | low);
}

/*
 * Who tells the kernel a range gets the next port in it that is free, even or odd.
 * Others get even ones while there are any, and when half of all are taken, each
 * connect() looks at all of these first. A bound beyond net.ipv4.ip_local_port_range
 * is none.
 */
static void set_any_port(struct socket *socket)
{
	set_ports(socket, 1, U16_MAX);
}

static int source_connect(const struct kproxy_server *server,
			  struct socket *socket)
{
	return kernel_connect(socket,
			      (struct sockaddr_unsized *)&server->addr,
			      kproxy_addr_size(&server->addr), O_NONBLOCK);
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
static int connect_in_turn(struct kproxy_server *server, struct socket *socket)
{
	unsigned int turn = atomic_inc_return(&server->turns), nr, i = 0;
	union kproxy_addr addr;
	int err;

	do {
		nr = upstream_pick(server->upstream, server->addr.sa.sa_family,
				   turn + i, &addr);
		if (!nr)
			return source_connect(server, socket);
		err = source_bind(socket, &addr);
		if (!err)
			err = source_connect(server, socket);
	} while (err == -EADDRNOTAVAIL && ++i < nr);
	return err;
}

/*
 * The client's port is asked for as a range of one, not bound: ports that are
 * bound are no longer given to those who want any.
 */
static int connect_as(const struct kproxy_server *server, struct socket *socket,
		      const union kproxy_addr *client)
{
	u16 port = ntohs(kproxy_addr_port(client));
	union kproxy_addr addr = *client;
	int err;

	if (client->sa.sa_family != server->addr.sa.sa_family) {
		net_warn_ratelimited("kproxy: upstream %s: client %pISpc has no address to connect to %pISpc from\n",
				     server->upstream->obj.name, client,
				     &server->addr);
		return -EAFNOSUPPORT;
	}
	inet_set_bit(TRANSPARENT, socket->sk);
	addr.v4.sin_port = 0;
	err = source_bind(socket, &addr);
	if (err)
		return err;
	set_ports(socket, port, port);
	err = source_connect(server, socket);
	if (err != -EADDRNOTAVAIL)
		return err;
	set_any_port(socket);
	return source_connect(server, socket);
}

/**
 * kproxy_source_connect() - begin to connect to a server from where it is to be
 * @server: the server, held
 * @socket: a new socket of its family
 * @client: for whom; NULL for a check, which has an address of this host
 *
 * Context: process, may sleep.
 * Return: what kernel_connect() says; -EADDRNOTAVAIL when no address has a port
 * left for this server, or none is this host's any more; -EAFNOSUPPORT when the
 * client's is of another family than the server's.
 */
int kproxy_source_connect(struct kproxy_server *server, struct socket *socket,
			  const union kproxy_addr *client)
{
	set_any_port(socket);
	switch (READ_ONCE(server->upstream->options.source.mode)) {
	case KPROXY_SOURCE_ADDRESS:
		return connect_in_turn(server, socket);
	case KPROXY_SOURCE_CLIENT:
		if (client)
			return connect_as(server, socket, client);
		fallthrough;
	default:
		return source_connect(server, socket);
	}
}
