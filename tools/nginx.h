/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_NGINX_H
#define KPROXY_NGINX_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct directive - a directive of nginx
 * @line: where it begins
 * @words: the name and what follows it; at least one
 * @n: how many words
 * @block: it has braces
 * @end: index of the first directive behind those inside its braces
 *
 * Those inside its braces follow it in the list.
 */
struct directive {
	unsigned int line;
	char **words;
	size_t n;
	bool block;
	size_t end;
};

struct directives {
	struct directive *list;
	size_t n;
};

/* An error in a text, and its line. */
struct nginx_fault {
	unsigned int line;
	const char *why;
};

/*
 * Cut a text into directives, in place; those before a fault are there. Returns
 * whether there was none.
 */
bool nginx_read(struct directives *d, char *text, struct nginx_fault *fault);
void nginx_free(struct directives *d);

/* Whether the directive has this word at @i. */
bool nginx_has(const struct directive *d, size_t i, const char *word);

/* The value of the parameter KEY=VALUE of a directive, or NULL. */
const char *nginx_value(const struct directive *d, const char *key);

#endif
