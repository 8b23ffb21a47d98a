/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ALLOC_H
#define KPROXY_ALLOC_H

#include <stddef.h>

#include "compiler.h"

/*
 * Memory that is there: when there is none left, the command says so and
 * ends. Nothing that it prints or sends is worth carrying on half-made.
 */
void __noreturn alloc_failed(void);
void *__must_be_kept xmalloc(size_t size);
void *__must_be_kept xgrow(void *old, size_t n, size_t size);
char *__must_be_kept xstrdup(const char *text);

#endif
