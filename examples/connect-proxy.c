// SPDX-License-Identifier: BSD-3-Clause
/*
 * An HTTP CONNECT proxy on a page: a process for each client reads the request
 * and connects, the kernel moves the bytes.
 *
 *	cc connect-proxy.c -o connect-proxy $(pkg-config --cflags --libs kproxy)
 *	./connect-proxy 3128 & curl -p -x http://localhost:3128 http://example.com
 */
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kproxy/splice.h>

/* Bind or connect to HOST and PORT; the socket, or -1. */
static int open_socket(const char *host, const char *port, int listening)
{
	struct addrinfo *list, *ai, hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_family = listening ? AF_INET6 : AF_UNSPEC,
		.ai_flags = listening ? AI_PASSIVE : 0,
	};
	int fd = -1, one = 1;

	if (getaddrinfo(host, port, &hints, &list))
		return -1;
	for (ai = list; ai; ai = ai->ai_next) {
		fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (listening ? !bind(fd, ai->ai_addr, ai->ai_addrlen) &&
				!listen(fd, 128) :
				!connect(fd, ai->ai_addr, ai->ai_addrlen))
			break;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

/* Read up to the empty line, and not a byte more: those are the tunnel's. */
static int read_request(int client, char *text, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(client, text + n, 1) == 1) {
		text[++n] = 0;
		if (n >= 4 && !strcmp(text + n - 4, "\r\n\r\n"))
			return 0;
	}
	return -1;
}

static void serve(int client)
{
	struct kproxy_splice_options options = {
		.size = sizeof(options), .label = "connect-proxy",
		.idle_ms = 600000,
	};
	struct kproxy_splice_result result = { .size = sizeof(result) };
	char text[8192], host[256], port[8];
	int server, splice;

	if (read_request(client, text, sizeof(text)) ||
	    (sscanf(text, "CONNECT [%255[^]]]:%7[0-9] ", host, port) != 2 &&
	     sscanf(text, "CONNECT %255[^]: ]:%7[0-9] ", host, port) != 2)) {
		dprintf(client, "HTTP/1.1 400 Bad Request\r\n\r\n");
		return;
	}
	server = open_socket(host, port, 0);
	if (server < 0) {
		dprintf(client, "HTTP/1.1 502 Bad Gateway\r\n\r\n");
		return;
	}
	dprintf(client, "HTTP/1.1 200 Connected\r\n\r\n");
	splice = kproxy_splice(client, server, &options);
	if (splice < 0 || kproxy_splice_wait(splice, &result))
		perror("connect-proxy");
	else
		printf("%s:%s %llu bytes sent, %llu received\n", host, port,
		       (unsigned long long)result.bytes[0],
		       (unsigned long long)result.bytes[1]);
}

int main(int argc, char **argv)
{
	int listener = open_socket(NULL, argc > 1 ? argv[1] : "3128", 1);
	int client, one = 1;

	signal(SIGCHLD, SIG_IGN);
	while ((client = accept(listener, NULL, NULL)) >= 0) {
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork()) {
			serve(client);
			exit(0);
		}
		close(client);
	}
	perror("connect-proxy");
	return 1;
}
