// SPDX-License-Identifier: GPL-2.0
/* The socket of a server: made here, or passed by systemd. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "ctx.h"
#include "token.h"

/* The first descriptor that systemd passes. */
#define FIRST_FD 3

/* Clients that wait to be accepted; the kernel may permit fewer. */
#define BACKLOG 1024

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint64_t number_of(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t number = 0;

	if (text && token_number(text, &number))
		number = 0;
	return number;
}

static bool is_listening(int fd)
{
	socklen_t size = sizeof(int);
	int on = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) && on;
}

/* Nonblocking, and not for other programs. */
static int prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int listen_inherited(const struct ctx *ctx, int *fd)
{
	uint64_t count = number_of("LISTEN_FDS");
	/* It may be meant for the shell that has started us. */
	bool ours = number_of("LISTEN_PID") == (uint64_t)getpid();

	*fd = -1;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (!ours || !count)
		return STATUS_DONE;
	if (count > 1)
		return ctx_refuse(ctx, "LISTEN_FDS: one socket is needed");
	if (!is_listening(FIRST_FD) || prepare(FIRST_FD))
		return ctx_refuse(ctx, "LISTEN_FDS: not a listening socket");
	*fd = FIRST_FD;
	return STATUS_DONE;
}

static socklen_t fill(union address *to, const struct endpoint *from)
{
	memset(to, 0, sizeof(*to));
	if (from->family == AF_INET) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_addr = from->v4;
		to->v4.sin_port = htons(from->port);
		return sizeof(to->v4);
	}
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_addr = from->v6;
	to->v6.sin6_port = htons(from->port);
	to->v6.sin6_scope_id = from->scope;
	return sizeof(to->v6);
}

static int bind_and_listen(int fd, const struct endpoint *ep)
{
	int on = 1, six_only = ep->family != AF_UNSPEC;
	union address address;
	socklen_t size = fill(&address, ep);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &six_only,
			   sizeof(six_only));
	if (bind(fd, &address.any, size))
		return -1;
	return listen(fd, BACKLOG);
}

static int open_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int parse(const struct ctx *ctx, const char *text, struct endpoint *ep)
{
	const char *why;
	/* Interfaces are those of the caller's namespace. */
	int ifd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	why = endpoint_parse(ifd, text, ep);
	if (ifd >= 0)
		close(ifd);
	return why ? ctx_refuse(ctx, "address %s: %s", text, why) : STATUS_DONE;
}

int listen_open(const struct ctx *ctx, const char *address, int *fd)
{
	struct endpoint ep;
	int status, err;

	status = parse(ctx, address, &ep);
	if (status)
		return status;
	*fd = open_socket(ep.family == AF_INET ? AF_INET : AF_INET6);
	/* A kernel without IPv6 has all addresses of IPv4. */
	if (*fd < 0 && ep.family == AF_UNSPEC) {
		ep.family = AF_INET;
		*fd = open_socket(AF_INET);
	}
	if (*fd >= 0 && !bind_and_listen(*fd, &ep))
		return STATUS_DONE;
	err = errno;
	if (*fd >= 0)
		close(*fd);
	return ctx_refuse(ctx, "address %s: cannot listen: %s", address,
			  strerror(err));
}

static bool get_address(int fd, union address *address)
{
	socklen_t size = sizeof(*address);

	memset(address, 0, sizeof(*address));
	return !getsockname(fd, &address->any, &size);
}

bool listen_is_unix(int fd)
{
	union address address;

	return get_address(fd, &address) && address.any.sa_family == AF_UNIX;
}

bool listen_is_local(int fd)
{
	const struct in6_addr *six;
	union address address;

	if (!get_address(fd, &address))
		return false;
	six = &address.v6.sin6_addr;
	switch (address.any.sa_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(six) ||
		       (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == IN_LOOPBACKNET);
	}
	return false;
}
