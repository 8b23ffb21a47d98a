// SPDX-License-Identifier: GPL-2.0
/* "kproxy server add, set, del UPSTREAM NAME:PORT" of a name that is followed. */
#include <stdlib.h>
#include <string.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "names.h"
#include "nl.h"
#include "option.h"
#include "request.h"

/* Check the options that follow the name, and make an object of them. */
static int read_options(struct ctx *ctx, const char *upstream,
			const struct args *rest, json_t *options)
{
	size_t n = rest->argc + 2;
	char **words = xgrow(NULL, n, sizeof(*words));
	struct args args = { .argc = n, .argv = words };
	const struct command *add = cmd_find(&server_object, "add");
	struct request *req = request_new(add->cmd);
	int status, i;

	words[0] = (char *)upstream;
	words[1] = (char *)NAMES_ANY_ADDRESS;
	for (i = 0; i < rest->argc; i++)
		words[i + 2] = rest->argv[i];
	ctx->alias = ctx->name;
	status = add->build(ctx, &args, req);
	ctx->alias = NULL;
	for (i = 0; !status && i + 1 < rest->argc; i += 2)
		json_object_set_new(options, rest->argv[i],
				    json_string(rest->argv[i + 1]));
	request_free(req);
	free(words);
	return status;
}

static int check_upstream(struct ctx *ctx, const char *upstream)
{
	struct request *req = request_new(KPROXY_CMD_UPSTREAM_GET);
	struct ctx about = *ctx;
	int status;

	about.object = "upstream";
	about.name = upstream;
	request_string(req, KPROXY_A_UPSTREAM_NAME, "name", upstream);
	status = nl_exchange(&about, req, NULL, NULL);
	ctx->family = about.family;
	request_free(req);
	return status;
}

static int add(struct ctx *ctx, const char *upstream, const char *name,
	       json_t *options)
{
	struct names names;
	json_t *row;
	int status;

	status = names_open(ctx, &names, true);
	row = names_find(&names, upstream, name);
	if (!status && row && !json_object_get(row, "gone"))
		status = ctx_fail(ctx, STATUS_KERNEL,
				  "upstream \"%s\" has it already", upstream);
	if (!status && row) {
		/* Its servers have not ended yet. */
		json_object_del(row, "gone");
		json_object_set(row, "options", options);
		status = names_save(ctx, &names);
	} else if (!status) {
		json_array_append_new(names.rows,
				      names_row(upstream, name, options));
		status = names_save(ctx, &names);
	}
	names_close(&names);
	if (!status)
		names_warn(ctx);
	return status;
}

/* Take "resolve VALUE" out of the options; NULL if it is not there. */
static const char *take_resolve(struct args *args)
{
	const char *value;
	int i;

	for (i = 2; i + 1 < args->argc; i += 2)
		if (!strcmp(args->argv[i], "resolve")) {
			value = args->argv[i + 1];
			memmove(args->argv + i, args->argv + i + 2,
				(args->argc - i - 2) * sizeof(*args->argv));
			args->argc -= 2;
			return value;
		}
	return NULL;
}

bool names_divert_add(struct ctx *ctx, struct args *args, int *status)
{
	const char *value = take_resolve(args), *upstream, *name, *why;
	json_t *options = json_object();
	char host[NAME_TEXT_MAX];
	uint16_t port;

	*status = STATUS_DONE;
	if (!value || !strcmp(value, "off")) {
		json_decref(options);
		return false;
	}
	upstream = args_next(args);
	name = args_next(args);
	ctx->name = name;
	why = names_parse(name, host, &port);
	if (strcmp(value, "on"))
		*status = ctx_refuse(ctx, "resolve %s: must be off or on",
				     *value ? value : "\"\"");
	else if (why)
		*status = ctx_refuse(ctx, "%s", why);
	if (!*status)
		*status = read_options(ctx, upstream, args, options);
	if (!*status)
		*status = check_upstream(ctx, upstream);
	if (!*status)
		*status = add(ctx, upstream, name, options);
	json_decref(options);
	return true;
}

/* Whether the line is about a name that is followed; then the list is open. */
static bool find(struct ctx *ctx, const struct args *args, struct names *names,
		 json_t **row)
{
	char host[NAME_TEXT_MAX];
	uint16_t port;

	if (args->argc < 2 || names_parse(args->argv[1], host, &port) ||
	    names_open(ctx, names, false))
		return false;
	*row = names_find(names, args->argv[0], args->argv[1]);
	if (*row && !json_object_get(*row, "gone"))
		return true;
	names_close(names);
	return false;
}

bool names_divert_set(struct ctx *ctx, struct args *args, int *status)
{
	json_t *options = json_object(), *row;
	struct names names;
	const char *upstream;

	if (!find(ctx, args, &names, &row)) {
		json_decref(options);
		return false;
	}
	upstream = args_next(args);
	ctx->name = args_next(args);
	*status = args->argc ? read_options(ctx, upstream, args, options) :
			       ctx_refuse(ctx, "an option to set is missing");
	if (!*status) {
		json_object_update(json_object_get(row, "options"), options);
		*status = names_save(ctx, &names);
	}
	names_close(&names);
	json_decref(options);
	return true;
}

/* Its servers are drained by the process that made them. */
bool names_divert_del(struct ctx *ctx, struct args *args, int *status)
{
	struct names names;
	json_t *row;

	if (!find(ctx, args, &names, &row))
		return false;
	args_next(args);
	ctx->name = args_next(args);
	*status = args_end(ctx, args);
	if (!*status) {
		json_object_set_new(row, "gone", json_true());
		*status = names_save(ctx, &names);
	}
	names_close(&names);
	if (!*status)
		names_warn(ctx);
	return true;
}
