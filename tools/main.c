// SPDX-License-Identifier: GPL-2.0
/*
 * kproxy: configure and observe the TCP proxy in the kernel.
 *
 * main() reads the options that stand before the object. cmd.c finds the
 * object and the command; cmd-*.c describe them by tables, which view.c,
 * option.c and field.c read. nl.c talks to the kernel, print.c to the user.
 */
#include <getopt.h>
#include <stdio.h>

#include "args.h"
#include "batch.h"
#include "cmd.h"
#include "ctx.h"
#include "nl.h"
#include "print.h"

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "pretty", no_argument, NULL, 'p' },
	{ "statistics", no_argument, NULL, 's' },
	{ "stats", no_argument, NULL, 's' },
	{ "netns", required_argument, NULL, 'n' },
	{ "batch", required_argument, NULL, 'b' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{}
};

/**
 * struct choice - what is to be done
 * @batch: file of -b, or NULL
 * @object: named by an option instead of a word, or NULL
 */
struct choice {
	const char *batch;
	const struct object *object;
};

static int refuse_option(const struct ctx *ctx, int found, char *word)
{
	char letter[] = { '-', optopt, '\0' };

	/* A long option that is unknown has no letter. */
	if (optopt && word[1] != '-')
		word = letter;
	return ctx_refuse(ctx, "option \"%s\" %s, try \"kproxy help\"", word,
			  found == ':' ? "needs a value" : "is unknown");
}

static int parse_options(struct ctx *ctx, int argc, char **argv,
			 struct choice *choice)
{
	int found;

	opterr = 0;
	while ((found = getopt_long(argc, argv, "+:jpsn:b:Vh", long_options,
				    NULL)) >= 0) {
		switch (found) {
		case 'j':
			ctx->json = true;
			break;
		case 'p':
			ctx->pretty = true;
			break;
		case 's':
			ctx->stats = true;
			break;
		case 'n':
			ctx->netns = optarg;
			break;
		case 'b':
			choice->batch = optarg;
			break;
		case 'V':
			choice->object = &version_object;
			break;
		case 'h':
			choice->object = &help_object;
			break;
		default:
			return refuse_option(ctx, found, argv[optind - 1]);
		}
	}
	return STATUS_DONE;
}

static int run(struct ctx *ctx, const struct choice *choice, struct args *args)
{
	if (choice->object)
		return choice->object->run(ctx, args);
	if (!choice->batch)
		return cmd_run(ctx, args);
	if (args->argc)
		return ctx_refuse(ctx, "unexpected \"%s\" with a batch file",
				  *args->argv);
	return batch_run(ctx, choice->batch);
}

int main(int argc, char **argv)
{
	struct ctx ctx = { .ifd = -1 };
	struct choice choice = {};
	struct args args;
	int status;

	status = parse_options(&ctx, argc, argv, &choice);
	args = (struct args){ .argc = argc - optind, .argv = argv + optind };
	if (!status)
		status = run(&ctx, &choice, &args);
	nl_shut(&ctx);
	return status ? status : print_flush(&ctx);
}
