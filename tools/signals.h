/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_SIGNALS_H
#define KPROXY_SIGNALS_H

#include <stdbool.h>

/*
 * From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT only end what signals_wait()
 * waits for, and SIGPIPE nothing: print_flush() fails instead.
 */
void signals_catch(void);

/**
 * signals_wait() - wait for input or a time, unless interrupted
 * @fd: where input comes, or -1
 * @ms: how long, -1 for ever
 *
 * Return: false when one of these signals has come
 */
bool signals_wait(int fd, int ms);

#endif
