// SPDX-License-Identifier: BSD-3-Clause
/*
 * A SOCKS5 proxy (RFC 1928, CONNECT without a password) on a page: a process for
 * each client reads the request and connects, the kernel moves the bytes.
 *
 *	cc socks5-proxy.c -o socks5-proxy $(pkg-config --cflags --libs kproxy)
 *	./socks5-proxy 1080 & curl -x socks5h://localhost:1080 http://example.com
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kproxy/splice.h>

enum { OK, UNREACHABLE = 4, BAD_COMMAND = 7, BAD_ADDRESS = 8 };

static int connect_to(const char *host, const char *port)
{
	struct addrinfo *list, *ai, hints = { .ai_socktype = SOCK_STREAM };
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &list))
		return -1;
	for (ai = list; ai && fd < 0; ai = ai->ai_next) {
		fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
		if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* So many bytes, and not one more: those are the tunnel's. */
static void get(int client, void *data, size_t size)
{
	if (size && recv(client, data, size, MSG_WAITALL) != (ssize_t)size)
		exit(1);
}

static void reply(int client, unsigned char code)
{
	unsigned char text[10] = { 5, code, 0, 1 };

	if (write(client, text, sizeof(text)) != sizeof(text) || code != OK)
		exit(1);
}

static int open_server(int client)
{
	unsigned char head[4], data[256], len;
	char host[INET6_ADDRSTRLEN > 256 ? INET6_ADDRSTRLEN : 256] = "";
	char port[6];
	int server;

	get(client, head, 2);
	get(client, data, head[1]);
	if (head[0] != 5 || write(client, "\5\0", 2) != 2)
		exit(1);
	get(client, head, 4);
	switch (head[3]) {
	case 1:
		get(client, data, 4);
		inet_ntop(AF_INET, data, host, sizeof(host));
		break;
	case 3:
		get(client, &len, 1);
		get(client, host, len);
		break;
	case 4:
		get(client, data, 16);
		inet_ntop(AF_INET6, data, host, sizeof(host));
		break;
	default:
		reply(client, BAD_ADDRESS);
	}
	get(client, data, 2);
	snprintf(port, sizeof(port), "%u", data[0] << 8 | data[1]);
	if (head[1] != 1)
		reply(client, BAD_COMMAND);
	server = connect_to(host, port);
	reply(client, server < 0 ? UNREACHABLE : OK);
	return server;
}

static void serve(int client)
{
	struct kproxy_splice_options options = {
		.size = sizeof(options), .label = "socks5-proxy",
		.idle_ms = 600000,
	};
	struct kproxy_splice_result result = { .size = sizeof(result) };
	int server = open_server(client), one = 1, splice;

	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	splice = kproxy_splice(client, server, &options);
	if (splice < 0 || kproxy_splice_wait(splice, &result))
		perror("socks5-proxy");
	else
		printf("%llu bytes sent, %llu received\n",
		       (unsigned long long)result.bytes[0],
		       (unsigned long long)result.bytes[1]);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(argc > 1 ? atoi(argv[1]) : 1080),
	};
	int listener = socket(AF_INET6, SOCK_STREAM, 0), client, one = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, 128)) {
		perror("socks5-proxy");
		return 1;
	}
	while ((client = accept(listener, NULL, NULL)) >= 0) {
		if (!fork()) {
			serve(client);
			exit(0);
		}
		close(client);
	}
	perror("socks5-proxy");
	return 1;
}
