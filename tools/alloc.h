/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ALLOC_H
#define KPROXY_ALLOC_H

#include <stddef.h>
#include <stdio.h>

#include "compiler.h"

/*
 * These return memory or end the command with a message: it must not print or
 * send anything incomplete.
 */
void __noreturn alloc_failed(void);
void *__must_be_kept xmalloc(size_t size);
void *__must_be_kept xgrow(void *old, size_t n, size_t size);
char *__must_be_kept xstrdup(const char *text);

/* A stream whose text, the caller's, is in @text once it is closed by xclose(). */
FILE *xopen(char **text, size_t *size);
void xclose(FILE *out);

#endif
