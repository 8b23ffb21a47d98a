// SPDX-License-Identifier: GPL-2.0
/*
 * A proxy by eBPF sockmap: a process accepts and connects, then sockmap.bpf.c
 * moves the bytes. A connection that ends takes its other half along; sockmap
 * passes no end of stream on.
 *
 * usage: sockmap OBJECT LISTEN=SERVER...        both are ADDR:PORT
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net.h"
#include "pairs.h"
#include "sockmap.h"

static int map;

static struct sockmap_key key_of(int fd)
{
	struct sockaddr_in local, remote;
	socklen_t len = sizeof(local);

	getsockname(fd, (struct sockaddr *)&local, &len);
	len = sizeof(remote);
	getpeername(fd, (struct sockaddr *)&remote, &len);
	return (struct sockmap_key) {
		.remote_ip = remote.sin_addr.s_addr,
		.local_ip = local.sin_addr.s_addr,
		.remote_port = htonl(ntohs(remote.sin_port)),
		.local_port = ntohs(local.sin_port),
	};
}

/* The socket TO is where goes what comes from FROM. */
static int join(int from, int to)
{
	struct sockmap_key key = key_of(from);
	__u64 value = to;

	return !bpf_map_update_elem(map, &key, &value, BPF_NOEXIST);
}

/* The map is not told of data that came before the socket was in it. */
static int move_early(int from, int to)
{
	char buf[65536];
	ssize_t n;

	while ((n = recv(from, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (send(to, buf, n, MSG_NOSIGNAL) != n)
			return 0;
	return n < 0;
}

static int sockmap_start(struct pair *pair)
{
	int client = pair->sides[CLIENT].fd, server = pair->sides[SERVER].fd;

	return join(client, server) && join(server, client) &&
	       move_early(client, server) && move_early(server, client);
}

static int sockmap_event(struct pair *pair, int side, uint32_t events)
{
	(void)pair;
	(void)side;
	return !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

/* A closed socket leaves the map by itself. */
static void sockmap_end(struct pair *pair)
{
	(void)pair;
}

static const struct pair_ops sockmap_ops = {
	.start = sockmap_start,
	.event = sockmap_event,
	.end = sockmap_end,
};

static void load_program(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;

	if (!object || bpf_object__load(object))
		die("%s", path);
	program = bpf_object__find_program_by_name(object, "verdict");
	map = bpf_object__find_map_fd_by_name(object, "others");
	if (!program || map < 0 ||
	    bpf_prog_attach(bpf_program__fd(program), map,
			    BPF_SK_SKB_VERDICT, 0))
		die("%s: attach", path);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: sockmap OBJECT LISTEN=SERVER...\n", stderr);
		return 1;
	}
	load_program(argv[1]);
	pairs_run(&sockmap_ops, argv + 2);
	return 0;
}
