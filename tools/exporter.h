/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_EXPORTER_H
#define KPROXY_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

struct ctx;

#define EXPORTER_USAGE \
	"  kproxy exporter [ADDR:PORT] [host NAME]... [sessions on | off]\n"

/**
 * struct exporter_options - what is served, and to whom
 * @sessions: sessions may be seen, with the addresses of clients
 * @any_host: do not check the header Host
 * @hosts: names of this machine that clients may use
 * @n_hosts: how many
 */
struct exporter_options {
	bool sessions;
	bool any_host;
	const char *const *hosts;
	size_t n_hosts;
};

/**
 * exporter_run() - serve metrics, JSON and the page until interrupted
 * @ctx: whose counters
 * @fd: a listening socket, is closed
 * @options: what is served
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int exporter_run(struct ctx *ctx, int fd,
		 const struct exporter_options *options);

#endif
