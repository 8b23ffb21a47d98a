/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ESCAPE_H
#define KPROXY_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * escape_read() - make bytes of text with the escapes of C
 * @text: the text; \xNN has one or two digits
 * @pattern: it is a pattern of glob_match(): the backslash before *, ?, [, ] and
 *	another one is kept, and comes before those that are written as a number
 * @data: where the bytes go, as many as the text has at most
 * @len: how many there are
 *
 * Return: NULL, or the reason why it is not such a text
 */
const char *escape_read(const char *text, bool pattern, char *data, size_t *len);

/* The text of which escape_read() makes these bytes; the caller frees it. */
char *escape_write(const char *data, size_t len, bool pattern);

#endif
