// SPDX-License-Identifier: GPL-2.0
#include "dns-channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"

#define TIMEOUT_MS 2000
#define TRIES 2

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct epoll_event event = {
		.events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0),
		.data.fd = fd,
	};
	struct dns_channel *c = arg;

	if (!event.events)
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(c->epoll, EPOLL_CTL_MOD, fd, &event) &&
		 errno == ENOENT)
		epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "kproxy: %s: %s\n", what, ares_strerror(err));
	exit(EXIT_FAILURE);
}

static struct timespec conf_time(void)
{
	struct stat st = {};

	stat("/etc/resolv.conf", &st);
	return st.st_mtim;
}

static void open_channel(struct dns_channel *c)
{
	struct ares_options options = {
		.timeout = TIMEOUT_MS, .tries = TRIES,
		.sock_state_cb = on_socket, .sock_state_cb_data = c,
	};
	int err;

	c->conf = conf_time();
	err = ares_init_options(&c->ares, &options,
				ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				ARES_OPT_SOCK_STATE_CB);
	if (err)
		fail("c-ares", err);
	err = c->servers ? ares_set_servers_ports_csv(c->ares, c->servers) : 0;
	if (err)
		fail(c->servers, err);
}

void dns_channel_init(struct dns_channel *c, const char *servers)
{
	int err = ares_library_init(ARES_LIB_INIT_ALL);

	*c = (struct dns_channel){ .servers = servers,
				   .epoll = epoll_create1(EPOLL_CLOEXEC) };
	if (err)
		fail("c-ares", err);
	if (c->epoll < 0)
		alloc_failed();
	open_channel(c);
}

void dns_channel_destroy(struct dns_channel *c)
{
	ares_destroy(c->ares);
	ares_library_cleanup();
	close(c->epoll);
}

bool dns_channel_is_stale(const struct dns_channel *c)
{
	struct timespec conf = conf_time();

	return conf.tv_sec != c->conf.tv_sec || conf.tv_nsec != c->conf.tv_nsec;
}

void dns_channel_reopen(struct dns_channel *c)
{
	ares_destroy(c->ares);
	open_channel(c);
}

void dns_channel_run(struct dns_channel *c)
{
	struct epoll_event events[16];
	int n = epoll_wait(c->epoll, events, 16, 0), i;

	for (i = 0; i < n; i++)
		ares_process_fd(c->ares,
				events[i].events & ~EPOLLOUT ?
				events[i].data.fd : ARES_SOCKET_BAD,
				events[i].events & EPOLLOUT ?
				events[i].data.fd : ARES_SOCKET_BAD);
	ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int dns_channel_timeout(const struct dns_channel *c, int ms)
{
	struct timeval most = { ms / 1000, ms % 1000 * 1000L }, left, *next;

	next = ares_timeout(c->ares, &most, &left);
	if (next && next->tv_sec * 1000 + next->tv_usec / 1000 < ms)
		ms = next->tv_sec * 1000 + next->tv_usec / 1000 + 1;
	return ms;
}
