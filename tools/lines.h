/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_LINES_H
#define KPROXY_LINES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct line - the words of one line of a file
 * @number: counted from 1
 * @words: at least one
 * @n: how many
 */
struct line {
	unsigned int number;
	char **words;
	size_t n;
};

struct lines {
	struct line *list;
	size_t n;
};

/*
 * Cut a text into its words, in place. Quotes, backslashes and comments are as
 * in HAProxy; lines without words are left out.
 */
void lines_read(struct lines *lines, char *text);
void lines_free(struct lines *lines);

/* Whether the line has this word at @i. */
bool line_has(const struct line *line, size_t i, const char *word);

/*
 * Cut ADDR:PORT or [ADDR]:PORT at its last colon, in place; @port is empty if there
 * is none.
 */
void lines_split_address(char *text, const char **host, const char **port);

#endif
