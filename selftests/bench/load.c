// SPDX-License-Identifier: GPL-2.0
/*
 * A load of requests, each answered before the next: what iperf3 and wrk do
 * not make. One process, epoll; the server is "serve". Prints one JSON object.
 *
 * usage: load rr ADDR:PORT SIZE CONNECTIONS SECONDS
 *        load crr ADDR:PORT SIZE CONNECTIONS SECONDS
 *        load hold ADDR:PORT CONNECTIONS
 *
 * rr: requests and replies of SIZE bytes. crr: each on a connection of its own,
 * from connect() to the reply, then closed. A tenth of SECONDS before does not
 * count. hold: every connection makes one round trip and stays, until standard
 * input ends.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

struct conn {
	int fd;
	uint64_t begun;		/* ns, this request */
	unsigned int got;	/* of its reply */
};

static struct sockaddr_storage server;
static char message[sizeof(struct hello) + (1 << 20)];
static char reply[1 << 20];
static unsigned int size;
static int epoll, reconnect;

/* Of each request that counts, how long it took; ns. */
static uint64_t *samples;
static size_t count, room;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void sample(uint64_t ns)
{
	if (count == room) {
		room = room ? 2 * room : 1 << 16;
		samples = realloc(samples, room * sizeof(*samples));
		if (!samples)
			die("memory");
	}
	samples[count++] = ns;
}

/* The connection may not be made yet: it is sent when it can be written. */
static void conn_open(struct conn *conn)
{
	conn->begun = now();
	conn->got = 0;
	conn->fd = connect_to(&server);
	watch(epoll, EPOLL_CTL_ADD, conn->fd, EPOLLOUT, conn);
}

/* A write always fits in an empty socket buffer. */
static void conn_write(struct conn *conn, const char *data, size_t len)
{
	ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);

	if (n < 0)
		die("send");
	if ((size_t)n != len) {
		errno = ENOBUFS;
		die("send");
	}
}

static void conn_request(struct conn *conn)
{
	conn->begun = now();
	conn_write(conn, message + sizeof(struct hello), size);
}

static void conn_connected(struct conn *conn)
{
	socklen_t len = sizeof(errno);

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &errno, &len);
	if (errno)
		die("connect");
	watch(epoll, EPOLL_CTL_MOD, conn->fd, EPOLLIN, conn);
	conn_write(conn, message, sizeof(struct hello) + size);
}

/* True when the reply is whole. */
static int conn_read(struct conn *conn)
{
	ssize_t n = recv(conn->fd, reply, size - conn->got, 0);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (!n)
		errno = ECONNRESET;
	if (n <= 0)
		die("receive");
	conn->got += n;
	return conn->got == size;
}

/* Handle what has happened; returns how many replies came to their end. */
static int turn(int counts, int again)
{
	struct epoll_event events[64];
	struct conn *conn;
	int i, n, done = 0;

	n = epoll_wait(epoll, events, 64, 10000);
	if (n <= 0)
		die("no answer in 10 seconds");
	for (i = 0; i < n; i++) {
		conn = events[i].data.ptr;
		if (events[i].events & EPOLLOUT) {
			conn_connected(conn);
			continue;
		}
		if (!conn_read(conn))
			continue;
		done++;
		if (counts)
			sample(now() - conn->begun);
		conn->got = 0;
		if (reconnect) {
			close(conn->fd);
			conn_open(conn);
		} else if (again) {
			conn_request(conn);
		}
	}
	return done;
}

static struct conn *conns_new(int n)
{
	struct conn *conns = calloc(n, sizeof(*conns));

	if (!conns)
		die("memory");
	return conns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double quantile_us(double q)
{
	return samples[(size_t)(q * (count - 1))] / 1e3;
}

static void print(uint64_t ns)
{
	static const double quantiles[] = {
		0, .01, .05, .1, .25, .5, .75, .9, .95, .99, .995, .999, 1
	};
	size_t i;

	if (!count) {
		errno = ETIME;
		die("not one reply");
	}
	qsort(samples, count, sizeof(*samples), compare);
	printf("{\"seconds\": %.6f, \"count\": %zu, \"per_s\": %.1f, ",
	       ns / 1e9, count, count * 1e9 / ns);
	printf("\"p50_us\": %.2f, \"p99_us\": %.2f, \"quantiles\": [",
	       quantile_us(.5), quantile_us(.99));
	for (i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++)
		printf("%s[%g, %.2f]", i ? ", " : "", quantiles[i],
		       quantile_us(quantiles[i]));
	puts("]}");
}

static void measure(int n, double seconds)
{
	struct conn *conns = conns_new(n);
	uint64_t begun, end;
	int i;

	for (i = 0; i < n; i++)
		conn_open(&conns[i]);
	end = now() + seconds * 1e8;
	while (now() < end)
		turn(0, 1);
	begun = now();
	end = begun + seconds * 1e9;
	while (now() < end)
		turn(1, 1);
	print(now() - begun);
}

/* A few at a time, to overflow nobody's backlog. */
static void hold(int n)
{
	struct conn *conns = conns_new(n);
	uint64_t begun = now();
	int opened = 0, done = 0;

	while (done < n) {
		while (opened < n && opened - done < 64)
			conn_open(&conns[opened++]);
		done += turn(0, 0);
	}
	printf("{\"seconds\": %.6f, \"connections\": %d}\n",
	       (now() - begun) / 1e9, n);
	fflush(stdout);
	while (read(0, reply, sizeof(reply)) > 0)
		;
}

static int wrong_arguments(void)
{
	fputs("usage: load rr|crr ADDR:PORT SIZE CONNECTIONS SECONDS\n"
	      "       load hold ADDR:PORT CONNECTIONS\n", stderr);
	return 1;
}

int main(int argc, char **argv)
{
	int holds = argc == 4 && !strcmp(argv[1], "hold");
	struct hello hello;

	reconnect = argc == 6 && !strcmp(argv[1], "crr");
	if (!holds && !reconnect && !(argc == 6 && !strcmp(argv[1], "rr")))
		return wrong_arguments();
	server = address(argv[2]);
	size = holds ? 1 : atoi(argv[3]);
	if (!size || size > sizeof(reply))
		return wrong_arguments();
	hello.size = size;
	memcpy(message, &hello, sizeof(hello));
	epoll = epoll_create1(0);
	if (holds)
		hold(atoi(argv[3]));
	else
		measure(atoi(argv[4]), atof(argv[5]));
	return 0;
}
