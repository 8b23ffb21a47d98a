/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TOKEN_H
#define KPROXY_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#define TOKEN_DIGITS "0123456789"
#define TOKEN_NAME_CHARS TOKEN_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz._-"
/* Of a label of a host name, and of names of TLS servers. */
#define TOKEN_HOST_CHARS TOKEN_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz-_"

/*
 * Words of the command line. Each token_*() takes the whole word or refuses
 * it, and returns NULL or, as a constant string, the reason.
 */
const char *token_name(const char *text);
/* The pattern in lower case goes to @sni, KPROXY_SNI_MAX + 1 bytes. */
const char *token_sni(const char *text, char *sni);
const char *token_number(const char *text, uint64_t *value);
const char *token_port(const char *text, uint16_t *port);
const char *token_time(const char *text, uint64_t *ms);
const char *token_size(const char *text, uint64_t *bytes);
/* In bytes a second, though it is written in bits. */
const char *token_rate(const char *text, uint64_t *bytes);

/*
 * The shortest way to write a value that token_*() reads. A rate is at most
 * KPROXY_RATE_MAX.
 */
void token_format_time(uint64_t ms, char *buf, size_t size);
void token_format_size(uint64_t bytes, char *buf, size_t size);
void token_format_rate(uint64_t bytes, char *buf, size_t size);

#endif
