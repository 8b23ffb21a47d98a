/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TEXT_FILE_H
#define KPROXY_TEXT_FILE_H

#include <stddef.h>

struct ctx;

/**
 * struct text - the contents of a file
 * @data: the bytes, and a zero byte behind them; for free()
 * @len: how many there are
 */
struct text {
	char *data;
	size_t len;
};

/**
 * text_file_read() - read a whole file
 * @ctx: for messages; its file is the one to read, "-" for standard input
 * @text: gets the contents, also when not all could be read
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int text_file_read(struct ctx *ctx, struct text *text);

#endif
