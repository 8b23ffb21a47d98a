// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "config.h"
#include "config-apply.h"
#include "config-read.h"
#include "config-save.h"
#include "ctx.h"
#include "import.h"

static int file_word(struct ctx *ctx, struct args *args, const char **path)
{
	*path = args_next(args);
	if (!*path)
		return ctx_refuse(ctx, "FILE is missing, try \"kproxy config help\"");
	return args_end(ctx, args);
}

static int read_config(struct ctx *ctx, struct args *args,
		       struct config *config)
{
	const char *path;
	int status;

	*config = (struct config){};
	status = file_word(ctx, args, &path);
	return status ? status : config_read(ctx, path, config);
}

static int run_apply(struct ctx *ctx, struct args *args)
{
	bool dry = args->argc && !strcmp(*args->argv, "--dry-run");
	struct config config;
	int status;

	if (dry)
		args_next(args);
	status = read_config(ctx, args, &config);
	if (!status)
		status = dry ? config_preview(ctx, &config) :
			       config_apply(ctx, &config);
	config_free(&config);
	ctx->file = NULL;
	return status;
}

static int run_check(struct ctx *ctx, struct args *args)
{
	struct config config;
	int status;

	status = read_config(ctx, args, &config);
	config_free(&config);
	ctx->file = NULL;
	return status;
}

static int run_flush(struct ctx *ctx, struct args *args)
{
	struct config nothing = {};
	int status;

	status = args_end(ctx, args);
	return status ? status : config_apply(ctx, &nothing);
}

static int run_save(struct ctx *ctx, struct args *args)
{
	const char *path = args_next(args);
	int status = args_end(ctx, args);

	return status ? status : config_save(ctx, path);
}

static const struct command commands[] = {
	{ .name = "apply", .run = run_apply },
	{ .name = "check", .run = run_check },
	{ .name = "save", .run = run_save },
	{ .name = "flush", .run = run_flush },
	{ .name = "import", .run = import_run },
	{ .name = "export", .run = export_run },
	{}
};

const struct object config_object = {
	.name = "config",
	.usage = "  kproxy config apply [--dry-run] FILE\n"
		 "  kproxy config check FILE\n"
		 "  kproxy config save [FILE]\n"
		 "  kproxy config flush\n"
		 "  kproxy config import haproxy|nginx|ipvsadm FILE\n"
		 "  kproxy config export haproxy [FILE]\n",
	.commands = commands,
};
