// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "metrics.h"
#include "nl.h"
#include "print.h"

static const char *const formats[] = {
	[METRICS_OPENMETRICS] = "openmetrics",
	[METRICS_PROMETHEUS] = "prometheus",
};

static int parse_format(const struct ctx *ctx, struct args *args,
			enum metrics_format *format)
{
	const char *word = args_next(args);
	size_t i;

	*format = METRICS_OPENMETRICS;
	if (!word)
		return STATUS_DONE;
	if (strcmp(word, "format"))
		return ctx_refuse(ctx, "unexpected \"%s\"", word);
	word = args_next(args);
	if (!word)
		return ctx_refuse(ctx, "format needs a value");
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		*format = i;
		if (!strcmp(word, formats[i]))
			return args_end(ctx, args);
	}
	return ctx_refuse(ctx, "format %s: must be openmetrics or prometheus",
			  word);
}

static int metrics_run(struct ctx *ctx, struct args *args)
{
	enum metrics_format format;
	int status;

	status = parse_format(ctx, args, &format);
	if (!status)
		status = nl_open(ctx);
	if (!status)
		status = metrics_write(ctx, stdout, format);
	return status ? status : print_flush(ctx);
}

const struct object metrics_object = {
	.name = "metrics",
	.usage = "  kproxy metrics [format openmetrics | prometheus]\n",
	.run = metrics_run,
};
