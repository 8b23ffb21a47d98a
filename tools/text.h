/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TEXT_H
#define KPROXY_TEXT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Text that others chose, such as the names of interfaces, may hold what a
 * terminal takes for a command.
 */

/**
 * text_printable() - find a character that can be printed as it is
 * @text: not empty
 *
 * Control characters, also those of 8-bit terminals, and what changes the
 * direction of the text around it are not printable.
 *
 * Return: the length of its UTF-8 sequence; 0 if its first byte cannot be printed
 */
size_t text_printable(const char *text);

/* Print a text on one line, each byte that is not printable as \xNN. */
void text_print(FILE *out, const char *text);

/* A string of JSON; what is not UTF-8 becomes \xNN. */
json_t *text_json(const char *text, size_t len);

#endif
