// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "config.h"
#include "ctx.h"
#include "field.h"
#include "print.h"
#include "request.h"
#include "token.h"
#include "view.h"

static int refuse_missing(const struct ctx *ctx, const char *what)
{
	return ctx_refuse(ctx, "%s is missing, try \"kproxy route help\"",
			  what);
}

/* The listener of the route; messages name it from now on. */
static int build_listener(struct ctx *ctx, struct args *args,
			  struct request *req)
{
	const char *name = args_next(args), *why;

	if (!name)
		return refuse_missing(ctx, "LISTENER");
	ctx->name = name;
	why = token_name(name);
	if (why)
		return ctx_refuse(ctx, "%s", why);
	request_string(req, KPROXY_A_ROUTE_LISTENER, "listener", name);
	return STATUS_DONE;
}

static int build_sni(struct ctx *ctx, struct args *args, struct request *req)
{
	const char *text = args_next(args), *why;
	char sni[KPROXY_SNI_MAX + 1];

	if (!text)
		return refuse_missing(ctx, "PATTERN");
	why = token_sni(text, sni);
	if (why)
		return ctx_refuse(ctx, "sni %s: %s", *text ? text : "\"\"",
				  why);
	request_text(req, KPROXY_A_ROUTE_SNI, "sni", text, sni);
	return STATUS_DONE;
}

/**
 * struct words - what of a route was read so far
 * @sni: its pattern
 * @upstream: where it leads
 */
struct words {
	bool sni;
	bool upstream;
};

/* One pair of words, which may come in any order, as in a file. */
static int build_pair(struct ctx *ctx, struct args *args, struct request *req,
		      struct words *seen)
{
	const char *key = args_next(args);
	bool sni = !strcmp(key, "sni");
	bool *given = sni ? &seen->sni : &seen->upstream;

	if (!sni && strcmp(key, "upstream"))
		return ctx_refuse(ctx, "unexpected \"%s\", must be sni or upstream",
				  key);
	if (*given)
		return ctx_refuse(ctx, "\"%s\" is given twice", key);
	*given = true;
	if (sni)
		return build_sni(ctx, args, req);
	return args_upstream(ctx, args, req, KPROXY_A_ROUTE_UPSTREAM);
}

static int build_add(struct ctx *ctx, struct args *args, struct request *req)
{
	struct words seen = {};
	int status;

	status = build_listener(ctx, args, req);
	while (!status && args->argc)
		status = build_pair(ctx, args, req, &seen);
	if (status || (seen.sni && seen.upstream))
		return status;
	args_at_whole(args);
	return refuse_missing(ctx, seen.sni ? "upstream NAME" : "sni PATTERN");
}

static int build_del(struct ctx *ctx, struct args *args, struct request *req)
{
	const char *word;
	int status;

	status = build_listener(ctx, args, req);
	if (status)
		return status;
	word = args_next(args);
	if (!word)
		return refuse_missing(ctx, "sni PATTERN");
	if (strcmp(word, "sni"))
		return ctx_refuse(ctx, "unexpected \"%s\", must be sni", word);
	return build_sni(ctx, args, req);
}

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	req->dump = true;
	return args->argc ? build_listener(ctx, args, req) : STATUS_DONE;
}

static const struct field fields[] = {
	{ .key = "listener", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_LISTENER, .title = "LISTENER" },
	{ .key = "sni", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_SNI, .title = "SNI" },
	{ .key = "upstream", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_UPSTREAM, .title = "UPSTREAM" },
	{}
};

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	return fields_decode(ctx, fields, 0, head, len);
}

static const struct column columns[] = { { .fields = fields }, {} };

static const struct table table = { .columns = columns };

const struct view route_view = {
	.cmd = KPROXY_CMD_ROUTE_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
};

static int check(struct ctx *ctx, const struct definition *d,
		 const struct beside *beside)
{
	struct origin from = {};
	const char *sni = config_option(d, "sni", &from);

	config_blame(ctx, d, &from, 0);
	if (beside->again)
		return ctx_refuse(ctx, "sni %s: the listener already has a route for it",
				  sni);
	if (beside->n >= KPROXY_ROUTES_MAX)
		return ctx_refuse(ctx, "sni %s: a listener has at most %d routes",
				  sni, KPROXY_ROUTES_MAX);
	return STATUS_DONE;
}

static const struct form form = {
	.view = &route_view,
	.outer = &listener_object,
	.list = "routes",
	.outer_key = "listener",
	.key = "sni",
	.refers = &upstream_object,
	.check = check,
};

static const struct command commands[] = {
	{ .name = "show", .view = &route_view },
	{ .name = "add", .cmd = KPROXY_CMD_ROUTE_ADD, .build = build_add },
	{ .name = "delete", .cmd = KPROXY_CMD_ROUTE_DEL, .build = build_del },
	{}
};

const struct object route_object = {
	.name = "route",
	.usage = "  kproxy route add LISTENER sni PATTERN upstream NAME\n"
		 "  kproxy route del LISTENER sni PATTERN\n"
		 "  kproxy route show [LISTENER]\n",
	.commands = commands,
	.form = &form,
};
