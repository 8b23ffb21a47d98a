/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_LISTEN_H
#define KPROXY_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct ctx;

/**
 * listen_inherited() - take the listening socket that systemd has passed
 * @ctx: for messages
 * @fd: gets it, or -1 if there is none
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int listen_inherited(const struct ctx *ctx, int *fd);

/**
 * listen_open() - listen on an address, in the namespace of the caller
 * @ctx: for messages
 * @address: ADDR:PORT, [ADDR]:PORT, *:PORT or HOST:PORT
 * @fd: gets the socket, nonblocking
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int listen_open(const struct ctx *ctx, const char *address, int *fd);

/* Whether only this machine can connect to the socket. */
bool listen_is_local(int fd);

/* Whether the socket has no address that a browser could name. */
bool listen_is_unix(int fd);

#endif
