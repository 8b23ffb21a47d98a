// SPDX-License-Identifier: GPL-2.0
#include "batch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"

#define BLANKS " \t\r\n"

static bool is_blank(char c)
{
	return c && strchr(BLANKS, c);
}

/*
 * Take the quotes out of the word at *@p and end it; *@p goes behind it.
 * Return: whether its quotes are closed
 */
static bool cut_word(char **p)
{
	char *in = *p, *out = *p;
	bool quoted = false, more;

	for (; *in && (quoted || !is_blank(*in)); in++) {
		if (*in == '"')
			quoted = !quoted;
		else
			*out++ = *in;
	}
	more = *in;
	*out = '\0';
	*p = in + more;
	return !quoted;
}

int batch_split(char *line, char **words)
{
	int n = 0;

	for (;;) {
		line += strspn(line, BLANKS);
		if (!*line || *line == '#')
			return n;
		words[n++] = line;
		if (!cut_word(&line))
			return -1;
	}
}

static int run_line(struct ctx *ctx, char *line)
{
	char **words = xgrow(NULL, strlen(line) / 2 + 1, sizeof(*words));
	struct args args = { .argv = words };
	int status = STATUS_DONE;

	ctx->object = NULL;
	args.argc = batch_split(line, words);
	if (args.argc < 0)
		status = ctx_refuse(ctx, "a quote is not closed");
	else if (args.argc)
		status = cmd_run(ctx, &args);
	free(words);
	return status;
}

static int run_lines(struct ctx *ctx, FILE *in)
{
	int status = STATUS_DONE;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while (!status && (len = getline(&line, &size, in)) >= 0) {
		ctx->place.line++;
		if (strlen(line) == (size_t)len)
			status = run_line(ctx, line);
		else
			status = ctx_refuse(ctx, "not a line of text");
	}
	if (!status && ferror(in))
		status = ctx_refuse(ctx, "%s", strerror(errno));
	free(line);
	return status;
}

int batch_run(struct ctx *ctx, const char *path)
{
	bool std = !strcmp(path, "-");
	FILE *in = std ? stdin : fopen(path, "re");
	int status;

	if (!in)
		return ctx_refuse(ctx, "%s: %s", path, strerror(errno));
	ctx->file = path;
	ctx->place = (struct place){};
	status = run_lines(ctx, in);
	ctx->file = NULL;
	if (!std)
		fclose(in);
	return status;
}
