// SPDX-License-Identifier: GPL-2.0
#include "nl-receive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "alloc.h"

/* The kernel fills messages of a dump up to this size. */
#define RECEIVE_SIZE 32768

static bool is_kernel(const struct sockaddr_nl *from, socklen_t len)
{
	return len == sizeof(*from) && from->nl_family == AF_NETLINK &&
	       !from->nl_pid;
}

static bool blocks(int fd)
{
	return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int failure(void)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	return -nl_syserr2nlerr(errno);
}

int nl_receive(struct nl_sock *sock, struct sockaddr_nl *from,
	       unsigned char **buf, struct ucred **creds)
{
	int fd = nl_socket_get_fd(sock);
	unsigned char *message = xmalloc(RECEIVE_SIZE);
	socklen_t size;
	ssize_t len;

	(void)creds;
	do {
		size = sizeof(*from);
		len = recvfrom(fd, message, RECEIVE_SIZE, MSG_TRUNC,
			       (struct sockaddr *)from, &size);
		if (len >= 0 && is_kernel(from, size))
			break;
	} while (len < 0 ? errno == EINTR : blocks(fd));
	if (len > 0 && len <= RECEIVE_SIZE && is_kernel(from, size)) {
		*buf = message;
		return len;
	}
	if (len < 0)
		len = failure();
	else if (len > RECEIVE_SIZE && is_kernel(from, size))
		len = -NLE_MSG_TRUNC;
	else
		len = 0;
	free(message);
	return len;
}
