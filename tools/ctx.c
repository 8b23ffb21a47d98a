// SPDX-License-Identifier: GPL-2.0
#include "ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "text.h"

static void print_subject(const struct ctx *ctx, FILE *out)
{
	fputs("kproxy: ", out);
	if (ctx->file)
		fprintf(out, "%s:", ctx->file);
	if (ctx->file && ctx->place.line)
		fprintf(out, "%u:", ctx->place.line);
	if (ctx->file && ctx->place.column)
		fprintf(out, "%u:", ctx->place.column);
	if (ctx->file)
		fputc(' ', out);
	if (ctx->object && ctx->name)
		fprintf(out, "%s \"%s\": ", ctx->object, ctx->name);
	else if (ctx->object)
		fprintf(out, "%s: ", ctx->object);
}

static void __printf(2, 0) say(const struct ctx *ctx, const char *fmt,
			       va_list ap)
{
	FILE *errors = ctx->errors ? ctx->errors : stderr, *out;
	char *line = NULL;
	size_t size;

	out = xopen(&line, &size);
	print_subject(ctx, out);
	vfprintf(out, fmt, ap);
	xclose(out);
	/* Words of the user may hold anything, but a message stays one line. */
	text_print(errors, line);
	fputc('\n', errors);
	free(line);
}

int ctx_fail(const struct ctx *ctx, enum status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(ctx, fmt, ap);
	va_end(ap);
	return status;
}

struct ctx ctx_plain(const struct ctx *ctx)
{
	struct ctx plain = *ctx;

	plain.object = NULL;
	return plain;
}

void ctx_warn(const struct ctx *ctx, const char *reason)
{
	ctx_fail(ctx, STATUS_DONE, "%s", reason);
}
