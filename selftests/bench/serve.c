// SPDX-License-Identifier: GPL-2.0
/*
 * The server of "load": one process, epoll. A connection begins with struct
 * hello; it gives the size of each request and of each reply.
 *
 * usage: serve ADDR:PORT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net.h"

struct conn {
	int fd;
	struct hello hello;
	unsigned int size;	/* 0: the hello has not come yet */
	unsigned int owed;	/* of the reply, not sent yet */
	unsigned int got;	/* of the request */
};

static char buf[1 << 20];
static int epoll;

static void conn_accept(int listener)
{
	struct conn *conn;
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0)
			return;
		set_nodelay(fd);
		conn = calloc(1, sizeof(*conn));
		if (!conn)
			die("memory");
		conn->fd = fd;
		watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, conn);
	}
}

static void conn_end(struct conn *conn)
{
	close(conn->fd);
	free(conn);
}

/* False when the socket's buffer is full or the connection at its end. */
static int conn_send(struct conn *conn)
{
	ssize_t n = send(conn->fd, buf, conn->owed, MSG_NOSIGNAL);

	if (n > 0)
		conn->owed -= n;
	return !conn->owed;
}

static int conn_hello(struct conn *conn)
{
	if (recv(conn->fd, &conn->hello, sizeof(conn->hello), 0) !=
	    sizeof(conn->hello))
		return 0;
	conn->size = conn->hello.size;
	return conn->size && conn->size <= sizeof(buf);
}

/* The client waits for the reply: no more than one request is ever there. */
static void conn_event(struct conn *conn, unsigned int events)
{
	ssize_t n;

	if (events & EPOLLOUT) {
		if (!conn_send(conn))
			return;
		watch(epoll, EPOLL_CTL_MOD, conn->fd, EPOLLIN, conn);
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	if (!conn->size && !conn_hello(conn)) {
		conn_end(conn);
		return;
	}
	n = recv(conn->fd, buf, conn->size - conn->got, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_end(conn);
		return;
	}
	conn->got += n;
	if (conn->got < conn->size)
		return;
	conn->got = 0;
	conn->owed = conn->size;
	if (!conn_send(conn))
		watch(epoll, EPOLL_CTL_MOD, conn->fd, EPOLLOUT, conn);
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	int listener, i, n;

	if (argc != 2) {
		fputs("usage: serve ADDR:PORT\n", stderr);
		return 1;
	}
	epoll = epoll_create1(0);
	listener = listen_on(argv[1]);
	watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	for (;;) {
		n = epoll_wait(epoll, events, 256, -1);
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr)
				conn_event(events[i].data.ptr,
					   events[i].events);
			else
				conn_accept(listener);
		}
	}
}
