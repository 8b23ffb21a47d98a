/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_JOURNAL_H
#define KPROXY_JOURNAL_H

#include <jansson.h>

/* Priorities, as in syslog. */
#define JOURNAL_WARNING 4
#define JOURNAL_INFO 6

/**
 * journal_send() - send an entry to systemd's journal
 * @priority: one of the above
 * @message: what a reader sees
 * @row: further fields, or NULL; "bytes_in" becomes KPROXY_BYTES_IN, and empty
 *	values are left out
 *
 * Wait for a journal that is busy or starts again, for some seconds.
 *
 * Return: 0; or an errno
 */
int journal_send(int priority, const char *message, const json_t *row);

#endif
