// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <linux/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "net.h"

void die(const char *fmt, ...)
{
	int err = errno;
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(1);
}

struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage addr = {};
	struct sockaddr_in *in = (struct sockaddr_in *)&addr;
	char host[INET_ADDRSTRLEN] = "";
	unsigned short port;

	if (sscanf(text, "%15[0-9.]:%hu", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &in->sin_addr) != 1) {
		errno = EINVAL;
		die("%s", text);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	return addr;
}

static int socket_new(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

int listen_on(const char *text)
{
	struct sockaddr_storage addr = address(text);
	int fd = socket_new(), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(struct sockaddr_in)) ||
	    listen(fd, 4096))
		die("listen on %s", text);
	return fd;
}

void set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
}

/*
 * Without that request a socket gets an even port, and when all of these are in
 * use,
 * the kernel looks at each of them before it takes another.
 */
static void use_any_port(int fd)
{
	uint32_t range = (uint32_t)UINT16_MAX << 16 | 1;

	if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range,
		       sizeof(range)))
		die("IP_LOCAL_PORT_RANGE");
}

int connect_to(const struct sockaddr_storage *addr)
{
	int fd = socket_new();

	set_nodelay(fd);
	use_any_port(fd);
	if (connect(fd, (const struct sockaddr *)addr,
		    sizeof(struct sockaddr_in)) &&
	    errno != EINPROGRESS)
		die("connect");
	return fd;
}

void watch(int epoll, int op, int fd, unsigned int events, void *ptr)
{
	struct epoll_event event = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(epoll, op, fd, &event))
		die("epoll_ctl");
}
