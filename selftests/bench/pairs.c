// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net.h"
#include "pairs.h"

/* A watched socket: a listener, or one side of a pair. A side has a pair. */
struct listener {
	struct side side;
	struct sockaddr_storage server;
};

static const struct pair_ops *ops;
static struct pair *ended;
static int epoll;

static void pair_new(struct listener *listener, int fd)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int side;

	if (!pair)
		die("memory");
	set_nodelay(fd);
	pair->sides[CLIENT].fd = fd;
	pair->sides[SERVER].fd = connect_to(&listener->server);
	for (side = CLIENT; side < SIDES; side++)
		pair->sides[side].pair = pair;
	/* The client's events are of no use before there is a server. */
	watch(epoll, EPOLL_CTL_ADD, pair->sides[SERVER].fd,
	      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &pair->sides[SERVER]);
}

static void accept_all(struct listener *listener)
{
	int fd;

	while ((fd = accept4(listener->side.fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		pair_new(listener, fd);
}

/* Events of this turn may still point to it. */
static void pair_end(struct pair *pair)
{
	if (pair->closing)
		return;
	pair->closing = 1;
	pair->next = ended;
	ended = pair;
}

static void free_ended(void)
{
	struct pair *pair;

	while ((pair = ended)) {
		ended = pair->next;
		if (pair->connected)
			ops->end(pair);
		close(pair->sides[CLIENT].fd);
		close(pair->sides[SERVER].fd);
		free(pair);
	}
}

static int pair_connected(struct pair *pair)
{
	socklen_t len = sizeof(errno);

	getsockopt(pair->sides[SERVER].fd, SOL_SOCKET, SO_ERROR, &errno, &len);
	if (errno)
		return 0;
	pair->connected = 1;
	if (!ops->start(pair))
		return 0;
	/* Edge-triggered, and yet told at once of what came before. */
	watch(epoll, EPOLL_CTL_ADD, pair->sides[CLIENT].fd,
	      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &pair->sides[CLIENT]);
	return 1;
}

static void side_event(struct side *side, uint32_t events)
{
	struct pair *pair = side->pair;

	if (pair->closing)
		return;
	if (!pair->connected && !pair_connected(pair))
		pair_end(pair);
	else if (!ops->event(pair, side - pair->sides, events))
		pair_end(pair);
}

static void listener_new(char *arg)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	char *server = strchr(arg, '=');

	if (!listener || !server) {
		errno = EINVAL;
		die("%s", arg);
	}
	*server++ = '\0';
	listener->server = address(server);
	listener->side.fd = listen_on(arg);
	watch(epoll, EPOLL_CTL_ADD, listener->side.fd, EPOLLIN,
	      &listener->side);
}

void pairs_run(const struct pair_ops *pair_ops, char **args)
{
	struct epoll_event events[256];
	struct side *side;
	int i, n;

	ops = pair_ops;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (; *args; args++)
		listener_new(*args);
	for (;;) {
		n = epoll_wait(epoll, events, 256, -1);
		for (i = 0; i < n; i++) {
			side = events[i].data.ptr;
			if (side->pair)
				side_event(side, events[i].events);
			else
				accept_all((struct listener *)side);
		}
		free_ended();
	}
}
