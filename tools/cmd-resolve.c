// SPDX-License-Identifier: GPL-2.0
/* "kproxy resolve": the names of servers, followed or shown. */
#include <string.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "dns.h"
#include "names.h"
#include "nl.h"
#include "print.h"
#include "resolver.h"
#include "token.h"

/* What an answer's life is limited to, unless asked for otherwise. */
#define TTL_MIN_MS 1000
#define TTL_MAX_MS 3600000
/* Bounds of both limits. */
#define TTL_LEAST_MS 100
#define TTL_MOST_MS KPROXY_TIME_MAX

static const struct column columns[] = {
	{ .title = "UPSTREAM", .key = "upstream" },
	{ .title = "NAME", .key = "name" },
	{ .title = "SERVERS", .key = "servers" },
	{ .title = "DRAINED", .key = "drained" },
	{}
};

static const struct table table = { .columns = columns };

static json_t *shown(const json_t *name)
{
	json_t *servers = json_array(), *drained = json_array(), *value;
	const char *address;

	json_object_foreach(json_object_get(name, "servers"), address, value)
		json_array_append_new(json_is_true(value) ? drained : servers,
				      json_string(address));
	return json_pack("{s:O,s:O,s:O,s:o,s:o}", "upstream",
			 json_object_get(name, "upstream"), "name",
			 json_object_get(name, "name"), "options",
			 json_object_get(name, "options"), "servers", servers,
			 "drained", drained);
}

static int show(struct ctx *ctx)
{
	json_t *names = names_read(ctx), *rows = json_array(), *name;
	size_t i;
	int status;

	json_array_foreach(names, i, name)
		json_array_append_new(rows, shown(name));
	status = print_rows(ctx, rows, &table);
	json_decref(rows);
	json_decref(names);
	return status;
}

static int refuse(const struct ctx *ctx, const char *option, const char *text,
		  const char *why)
{
	return ctx_refuse(ctx, "%s %s: %s", option, *text ? text : "\"\"", why);
}

static int read_option(const struct ctx *ctx, struct args *args,
		       struct dns_options *options)
{
	const char *option = args_next(args), *text = args_next(args), *why;
	uint64_t *ms = NULL;

	if (!strcmp(option, "min-ttl"))
		ms = &options->min_ms;
	else if (!strcmp(option, "max-ttl"))
		ms = &options->max_ms;
	else if (strcmp(option, "nameserver"))
		return ctx_refuse(ctx, "unknown option \"%s\"", option);
	if (!text)
		return ctx_refuse(ctx, "option \"%s\" needs a value", option);
	if (!ms) {
		options->servers = text;
		return STATUS_DONE;
	}
	why = token_time(text, ms);
	if (!why && (*ms < TTL_LEAST_MS || *ms > TTL_MOST_MS))
		why = "must be 100ms to 168h";
	return why ? refuse(ctx, option, text, why) : STATUS_DONE;
}

static int resolve_run(struct ctx *ctx, struct args *args)
{
	struct dns_options options = { .min_ms = TTL_MIN_MS,
				       .max_ms = TTL_MAX_MS };
	int status = nl_open(ctx);

	if (!status && args->argc && !strcmp(*args->argv, "show")) {
		args_next(args);
		status = args_end(ctx, args);
		return status ? status : show(ctx);
	}
	while (!status && args->argc)
		status = read_option(ctx, args, &options);
	if (!status && options.min_ms > options.max_ms)
		status = ctx_refuse(ctx, "min-ttl is larger than max-ttl");
	return status ? status : resolver_run(ctx, &options);
}

const struct object resolve_object = {
	.name = "resolve",
	.usage = "  kproxy resolve [nameserver ADDR[:PORT][,ADDR[:PORT]]...] [min-ttl T] [max-ttl T]\n"
		 "  kproxy resolve show\n",
	.run = resolve_run,
};
