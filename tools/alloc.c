// SPDX-License-Identifier: GPL-2.0
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

void alloc_failed(void)
{
	fputs("kproxy: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		alloc_failed();
	return p;
}

void *xgrow(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n, size);

	if (!p)
		alloc_failed();
	return p;
}

char *xstrdup(const char *text)
{
	char *p = strdup(text);

	if (!p)
		alloc_failed();
	return p;
}

FILE *xopen(char **text, size_t *size)
{
	FILE *out = open_memstream(text, size);

	if (!out)
		alloc_failed();
	return out;
}

void xclose(FILE *out)
{
	if (fclose(out))
		alloc_failed();
}
