/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TOKEN_H
#define KPROXY_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#define TOKEN_DIGITS "0123456789"
#define TOKEN_NAME_CHARS TOKEN_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz._-"

/*
 * Words of the command line. Each token_*() takes the whole word or refuses
 * it, and returns NULL or, as a constant string, the reason.
 */
const char *token_name(const char *text);
const char *token_number(const char *text, uint64_t *value);
const char *token_port(const char *text, uint16_t *port);
const char *token_time(const char *text, uint64_t *ms);

/* The shortest way to write a time that token_time() reads. */
void token_format_time(uint64_t ms, char *buf, size_t size);

#endif
