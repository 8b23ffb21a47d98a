// SPDX-License-Identifier: GPL-2.0
/*
 * The simplest proxies there are, as peers: read() and write(), or splice()
 * through a pipe. End of stream is passed on each way.
 *
 * usage: relay rw|splice LISTEN=SERVER...        both are ADDR:PORT
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "pairs.h"

#define SIZE (256 * 1024)

/* One direction; what was taken from the source and not given on yet. */
struct way {
	int pipe[2];
	char *buf;
	size_t begin, held;
	int eof, shut;
};

static int splices;

static int way_init(struct way *way)
{
	if (!splices) {
		way->buf = malloc(SIZE);
		return !!way->buf;
	}
	if (pipe2(way->pipe, O_NONBLOCK | O_CLOEXEC))
		return 0;
	fcntl(way->pipe[0], F_SETPIPE_SZ, SIZE);
	return 1;
}

static void way_free(struct way *way)
{
	free(way->buf);
	if (splices) {
		close(way->pipe[0]);
		close(way->pipe[1]);
	}
}

static ssize_t fill(struct way *way, int src)
{
	if (splices)
		return splice(src, NULL, way->pipe[1], NULL, SIZE,
			      SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	return recv(src, way->buf, SIZE, 0);
}

static ssize_t drain(struct way *way, int dst)
{
	if (splices)
		return splice(way->pipe[0], NULL, dst, NULL, way->held,
			      SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	return send(dst, way->buf + way->begin, way->held, MSG_NOSIGNAL);
}

/* Until the source is empty or the destination full. False: an error. */
static int way_move(struct way *way, int src, int dst)
{
	ssize_t n;

	for (;;) {
		while (way->held) {
			n = drain(way, dst);
			if (n < 0)
				return errno == EAGAIN;
			way->held -= n;
			way->begin += n;
		}
		if (way->eof)
			break;
		way->begin = 0;
		n = fill(way, src);
		if (n < 0)
			return errno == EAGAIN;
		way->held = n;
		way->eof = !n;
	}
	if (!way->shut)
		shutdown(dst, SHUT_WR);
	way->shut = 1;
	return 1;
}

static int relay_start(struct pair *pair)
{
	struct way *ways = calloc(SIDES, sizeof(*ways));

	if (!ways)
		die("memory");
	pair->data = ways;
	return way_init(&ways[CLIENT]) && way_init(&ways[SERVER]);
}

static int relay_event(struct pair *pair, int side, uint32_t events)
{
	struct way *ways = pair->data;
	int other = !side;

	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) &&
	    !way_move(&ways[side], pair->sides[side].fd, pair->sides[other].fd))
		return 0;
	if ((events & EPOLLOUT) && ways[other].held &&
	    !way_move(&ways[other], pair->sides[other].fd, pair->sides[side].fd))
		return 0;
	return !(ways[CLIENT].shut && ways[SERVER].shut);
}

static void relay_end(struct pair *pair)
{
	struct way *ways = pair->data;

	way_free(&ways[CLIENT]);
	way_free(&ways[SERVER]);
	free(ways);
}

static const struct pair_ops relay_ops = {
	.start = relay_start,
	.event = relay_event,
	.end = relay_end,
};

int main(int argc, char **argv)
{
	splices = argc > 2 && !strcmp(argv[1], "splice");
	if (argc < 3 || (!splices && strcmp(argv[1], "rw"))) {
		fputs("usage: relay rw|splice LISTEN=SERVER...\n", stderr);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	pairs_run(&relay_ops, argv + 2);
	return 0;
}
