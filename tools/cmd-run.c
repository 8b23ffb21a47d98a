// SPDX-License-Identifier: GPL-2.0
/*
 * A listener and its upstream, which exist while the command runs. They are
 * made and removed by the commands that a user would type.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "print.h"
#include "signals.h"
#include "token.h"
#include "view.h"

/* How often the counters are shown, in milliseconds. */
#define INTERVAL 1000

#define WORDS_MAX 6

/**
 * struct run - what is run
 * @name: of the listener and of the upstream
 * @address: of the listener
 * @servers: addresses
 * @upstream: it is there
 * @listener: it is there
 */
struct run {
	char name[sizeof("run-65535")];
	const char *address;
	struct args servers;
	bool upstream;
	bool listener;
};

/* Run one command as if it had been typed; @words end with NULL. */
static int command(struct ctx *ctx, const char *const *words)
{
	char *argv[WORDS_MAX];
	struct args args = { .argv = argv };

	while (words[args.argc]) {
		argv[args.argc] = (char *)words[args.argc];
		args.argc++;
	}
	return cmd_run(ctx, &args);
}

#define COMMAND(ctx, ...) \
	command(ctx, (const char *const[]){ __VA_ARGS__, NULL })

static int make_upstream(struct ctx *ctx, struct run *run)
{
	const char *server;
	int status;

	status = COMMAND(ctx, "upstream", "add", run->name);
	run->upstream = !status;
	while (!status && (server = args_next(&run->servers)))
		status = COMMAND(ctx, "server", "add", run->name, server);
	return status;
}

static int make(struct ctx *ctx, struct run *run)
{
	int status;

	status = make_upstream(ctx, run);
	if (!status)
		status = COMMAND(ctx, "listener", "add", run->name,
				 run->address, "upstream", run->name);
	run->listener = !status;
	return status;
}

static int remove_all(struct ctx *ctx, const struct run *run)
{
	int status = STATUS_DONE, after = STATUS_DONE;

	if (run->listener)
		status = COMMAND(ctx, "listener", "del", run->name, "kill");
	if (run->upstream)
		after = COMMAND(ctx, "upstream", "del", run->name);
	return status ? status : after;
}

static void print_rate(const char *name, const json_t *now, const json_t *last,
		       const char *key)
{
	json_t *rate = json_integer(print_number(now, key) -
				    print_number(last, key));

	printf(", ");
	print_bytes(stdout, rate);
	printf("/s %s", name);
	json_decref(rate);
}

/* On a terminal, overwrite the last line. */
static void print_line(const json_t *now, const json_t *last)
{
	bool terminal = isatty(STDOUT_FILENO);

	if (terminal)
		fputs("\r\033[K", stdout);
	printf("%" JSON_INTEGER_FORMAT " sessions, %" JSON_INTEGER_FORMAT
	       " begun, %" JSON_INTEGER_FORMAT " connects failed",
	       print_number(now, "sessions"), print_number(now, "sessions_total"),
	       print_number(now, "connect_failures"));
	print_rate("in", now, last, "bytes_in");
	print_rate("out", now, last, "bytes_out");
	if (!terminal)
		putchar('\n');
}

static json_t *find_stats(const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
		if (!strcmp(json_string_value(json_object_get(row, "name")),
			    name))
			return json_incref(json_object_get(row, "stats"));
	return NULL;
}

/* Show what the listener has counted, and keep it in @last. */
static int show(struct ctx *ctx, struct run *run, json_t **last)
{
	json_t *rows = json_array(), *now;
	int status;

	status = view_rows(ctx, &listener_view, rows);
	now = find_stats(rows, run->name);
	json_decref(rows);
	if (status)
		return status;
	run->listener = now;
	if (!now)
		return ctx_fail(ctx, STATUS_KERNEL, "it was deleted meanwhile");
	if (ctx->json)
		print_json(ctx, now);
	else
		print_line(now, *last);
	json_decref(*last);
	*last = now;
	return print_flush(ctx);
}

static int watch(struct ctx *ctx, struct run *run)
{
	bool stats = ctx->stats;
	int status = STATUS_DONE;
	json_t *last = NULL;

	ctx->object = "run";
	ctx->name = run->name;
	ctx->stats = true;
	while (!status && signals_wait(-1, INTERVAL))
		status = show(ctx, run, &last);
	if (isatty(STDOUT_FILENO))
		putchar('\n');
	json_decref(last);
	ctx->stats = stats;
	return status;
}

/* Read PORT or ADDR:PORT; the port becomes the name. */
static int parse(const struct ctx *ctx, struct args *args, struct run *run,
		 char *any, size_t size)
{
	const char *word = args_next(args), *port, *why;
	uint16_t number;

	if (!word)
		return ctx_refuse(ctx, "PORT is missing, try \"kproxy help\"");
	port = strrchr(word, ':');
	port = port ? port + 1 : word;
	why = token_port(port, &number);
	if (why)
		return ctx_refuse(ctx, "\"%s\": %s", word, why);
	if (!args->argc)
		return ctx_refuse(ctx, "SERVER is missing, try \"kproxy help\"");
	snprintf(run->name, sizeof(run->name), "run-%u", number);
	snprintf(any, size, "*:%u", number);
	run->address = port == word ? any : word;
	run->servers = *args;
	return STATUS_DONE;
}

static int run_run(struct ctx *ctx, struct args *args)
{
	char any[sizeof("*:65535")];
	struct run run = {};
	int status, after;

	status = parse(ctx, args, &run, any, sizeof(any));
	if (status)
		return status;
	/* From here on an interruption must remove what was made. */
	signals_catch();
	status = make(ctx, &run);
	if (!status)
		status = watch(ctx, &run);
	after = remove_all(ctx, &run);
	return status ? status : after;
}

const struct object run_object = {
	.name = "run",
	.usage = "  kproxy run PORT|ADDR:PORT SERVER...\n",
	.run = run_run,
};
