/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmark's programs share: addresses, sockets, errors. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <sys/socket.h>
#include <sys/types.h>

/* On an established connection, what the client says first. */
struct hello {
	unsigned int size;	/* of each request and reply, host order */
};

void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...);

/* "10.1.0.1:9000"; ends the program when it is not an IPv4 address. */
struct sockaddr_storage address(const char *text);

/* Both are non-blocking. The first is bound and listens. */
int listen_on(const char *text);
int connect_to(const struct sockaddr_storage *addr);

void set_nodelay(int fd);

/* epoll_ctl(), with the pointer that the event brings back. */
void watch(int epoll, int op, int fd, unsigned int events, void *ptr);

#endif
