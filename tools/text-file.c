// SPDX-License-Identifier: GPL-2.0
#include "text-file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "ctx.h"

/* Room for a hundred thousand servers; a larger file is refused. */
#define FILE_MAX (16 << 20)

static int read_stream(struct ctx *ctx, FILE *in, struct text *text)
{
	size_t n;

	do {
		text->data = xgrow(text->data, text->len + BUFSIZ + 1, 1);
		n = fread(text->data + text->len, 1, BUFSIZ, in);
		text->len += n;
	} while (n && text->len <= FILE_MAX);
	text->data[text->len] = '\0';
	if (ferror(in))
		return ctx_refuse(ctx, "%s", strerror(errno));
	if (text->len > FILE_MAX)
		return ctx_refuse(ctx, "larger than %d MiB", FILE_MAX >> 20);
	return STATUS_DONE;
}

int text_file_read(struct ctx *ctx, struct text *text)
{
	bool std = !strcmp(ctx->file, "-");
	FILE *in = std ? stdin : fopen(ctx->file, "re");
	int status;

	*text = (struct text){};
	if (!in)
		return ctx_refuse(ctx, "%s", strerror(errno));
	status = read_stream(ctx, in, text);
	if (!std)
		fclose(in);
	return status;
}
