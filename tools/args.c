// SPDX-License-Identifier: GPL-2.0
#include "args.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "alloc.h"
#include "ctx.h"
#include "request.h"
#include "token.h"

const char *args_next(struct args *args)
{
	if (!args->argc)
		return NULL;
	args->argc--;
	if (args->from)
		*args->at = args->from++->place;
	return *args->argv++;
}

void args_at_item(const struct args *args, size_t item)
{
	if (args->from && args->from[-1].items)
		*args->at = args->from[-1].items[item];
}

void args_at_whole(const struct args *args)
{
	if (args->from)
		*args->at = *args->whole;
}

int args_end(const struct ctx *ctx, const struct args *args)
{
	if (args->argc)
		return ctx_refuse(ctx, "unexpected \"%s\"", *args->argv);
	return STATUS_DONE;
}

static int refuse_missing(const struct ctx *ctx, const char *what)
{
	return ctx_refuse(ctx, "%s is missing, try \"kproxy %s help\"", what,
			  ctx->object);
}

int args_name(struct ctx *ctx, struct args *args, struct request *req,
	      uint16_t attr)
{
	const char *name = args_next(args), *why;

	if (!name)
		return refuse_missing(ctx, "NAME");
	ctx->name = name;
	why = token_name(name);
	if (why)
		return ctx_refuse(ctx, "%s", why);
	request_string(req, attr, "name", name);
	return STATUS_DONE;
}

int args_upstream(const struct ctx *ctx, struct args *args,
		  struct request *req, uint16_t attr)
{
	const char *name = args_next(args), *why;

	if (!name)
		return refuse_missing(ctx, "UPSTREAM");
	why = token_name(name);
	if (why)
		return ctx_refuse(ctx, "upstream \"%s\": %s", name, why);
	request_string(req, attr, "upstream", name);
	return STATUS_DONE;
}

int args_server(struct ctx *ctx, struct args *args, struct request *req,
		uint16_t attr)
{
	const char *text = args_next(args), *why;
	struct endpoint ep;

	if (!text)
		return refuse_missing(ctx, "ADDR:PORT");
	ctx->name = ctx->alias ? ctx->alias : text;
	why = endpoint_parse(ctx->ifd, text, &ep);
	if (!why && ep.family == AF_UNSPEC)
		why = "a server needs a specific address";
	if (why)
		return ctx_refuse(ctx, "%s", why);
	request_endpoint(req, attr, "address", text, &ep);
	return STATUS_DONE;
}

/* An address of a list that has @n before it in @list. */
static int list_address(const struct ctx *ctx, const char *text,
			struct endpoint *list, size_t n)
{
	const char *why;
	size_t i;

	if (n == KPROXY_ADDRESSES_MAX)
		return ctx_refuse(ctx, "address %s: more than %d addresses",
				  text, KPROXY_ADDRESSES_MAX);
	if (!*text)
		return ctx_refuse(ctx, "empty address in the list");
	why = endpoint_parse(ctx->ifd, text, &list[n]);
	for (i = 0; !why && i < n; i++)
		if (endpoint_equal(&list[i], &list[n]))
			why = "is given twice";
	if (why)
		return ctx_refuse(ctx, "address %s: %s", text, why);
	return STATUS_DONE;
}

int args_addresses(const struct ctx *ctx, struct args *args,
		   struct request *req, uint16_t attr)
{
	struct endpoint list[KPROXY_ADDRESSES_MAX];
	const char *word = args_next(args);
	char *copy, *rest, *text;
	int status = STATUS_DONE;
	size_t n;

	if (!word)
		return refuse_missing(ctx, "ADDR:PORT");
	copy = xstrdup(word);
	rest = copy;
	for (n = 0; !status && (text = strsep(&rest, ",")); n++) {
		args_at_item(args, n);
		status = list_address(ctx, text, list, n);
		if (!status)
			request_endpoint(req, attr, "address", text, &list[n]);
	}
	free(copy);
	return status;
}
