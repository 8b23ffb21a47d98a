// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "ctx.h"
#include "nl.h"
#include "option.h"
#include "print.h"
#include "request.h"
#include "view.h"

/* A shortened word means the first object that it fits. */
static const struct object *const objects[] = {
	&listener_object, &upstream_object, &server_object, &session_object,
	&stats_object, &pool_object, &config_object, &monitor_object,
	&log_object, &metrics_object, &route_object, &run_object,
	&top_object, &exporter_object, &resolve_object, &splice_object,
	&version_object, &help_object,
};

static const char usage[] =
	"Usage: kproxy [OPTION]... OBJECT COMMAND ...\n"
	"       kproxy [OPTION]... -b FILE\n"
	"\n"
	"Proxy TCP connections in the kernel.\n"
	"\n"
	"  -j, --json          print JSON\n"
	"  -p, --pretty        indent the JSON\n"
	"  -s, --statistics    show counters too\n"
	"  -n, --netns NETNS   work in this network namespace\n"
	"  -b, --batch FILE    run one command a line, - for standard input\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n"
	"\n"
	"Objects and commands may be shortened: kproxy l s\n"
	"\n";

static bool fits(const char *word, const char *name)
{
	return *word && !strncmp(word, name, strlen(word));
}

static const struct object *find_object(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(objects); i++)
		if (fits(word, objects[i]->name))
			return objects[i];
	return NULL;
}

static const struct command *find_command(const struct object *object,
					  const char *word)
{
	const struct command *command;

	for (command = object->commands; command->name; command++)
		if (fits(word, command->name))
			return command;
	return NULL;
}

const struct command *cmd_find(const struct object *object, const char *name)
{
	return find_command(object, name);
}

static int help_objects(struct ctx *ctx, struct args *args)
{
	size_t i;
	int status;

	status = args_end(ctx, args);
	if (status)
		return status;
	fputs(usage, stdout);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		fputs(objects[i]->usage, stdout);
	fputs("\nkproxy OBJECT help explains the options of an object.\n",
	      stdout);
	return print_flush(ctx);
}

const struct object help_object = {
	.name = "help",
	.usage = "  kproxy help\n",
	.run = help_objects,
};

static int help_object_run(const struct ctx *ctx, const struct args *args,
			   const struct object *object)
{
	int status = args_end(ctx, args);

	if (status)
		return status;
	printf("Usage:\n%s", object->usage);
	if (object->options)
		options_help(object->options, stdout);
	return print_flush(ctx);
}

static int change(struct ctx *ctx, struct args *args,
		  const struct command *command)
{
	struct request *req;
	int status;

	if (command->divert && command->divert(ctx, args, &status))
		return status;
	req = request_new(command->cmd);
	status = command->build(ctx, args, req);
	if (!status)
		status = args_end(ctx, args);
	if (!status)
		status = nl_exchange(ctx, req, NULL, NULL);
	request_free(req);
	return status;
}

static int run_command(struct ctx *ctx, struct args *args,
		       const struct command *command)
{
	int status = nl_open(ctx);

	if (status)
		return status;
	if (command->view)
		return view_show(ctx, args, command->view);
	if (command->build)
		return change(ctx, args, command);
	return command->run(ctx, args);
}

static int on_object(struct ctx *ctx, struct args *args,
		     const struct object *object)
{
	const char *word = args_next(args);
	const struct command *command;

	if (!word && !find_command(object, "show"))
		return ctx_refuse(ctx, "COMMAND is missing, try \"kproxy %s help\"",
				  object->name);
	if (!word)
		word = "show";
	command = find_command(object, word);
	if (command)
		return run_command(ctx, args, command);
	if (fits(word, "help"))
		return help_object_run(ctx, args, object);
	return ctx_refuse(ctx, "unknown command \"%s\", try \"kproxy %s help\"",
			  word, object->name);
}

int cmd_run(struct ctx *ctx, struct args *args)
{
	const char *word = args_next(args);
	const struct object *object;

	ctx->object = NULL;
	ctx->name = NULL;
	if (!word)
		return ctx_refuse(ctx, "OBJECT is missing, try \"kproxy help\"");
	object = find_object(word);
	if (!object)
		return ctx_refuse(ctx, "unknown object \"%s\", try \"kproxy help\"",
				  word);
	ctx->object = object->name;
	if (!object->run)
		return on_object(ctx, args, object);
	if (args->argc != 1 || strcmp(*args->argv, "help"))
		return object->run(ctx, args);
	args_next(args);
	return help_object_run(ctx, args, object);
}
