// SPDX-License-Identifier: GPL-2.0
#include "filter.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "args.h"
#include "ctx.h"
#include "request.h"
#include "token.h"

/**
 * struct criterion - one thing that sessions are chosen by
 * @name: as typed
 * @attr: its attribute
 * @put: reads @text into the request; returns NULL or the reason
 */
struct criterion {
	const char *name;
	uint16_t attr;
	const char *(*put)(const struct ctx *ctx, const struct criterion *by,
			   const char *text, struct request *req);
};

static const char *put_name(const struct ctx *ctx, const struct criterion *by,
			    const char *text, struct request *req)
{
	const char *why = token_name(text);

	(void)ctx;
	if (!why)
		request_string(req, by->attr, by->name, text);
	return why;
}

static const char *put_endpoint(const struct ctx *ctx,
				const struct criterion *by, const char *text,
				struct request *req)
{
	struct endpoint ep;
	const char *why;

	why = endpoint_parse(ctx->ifd, text, &ep);
	if (!why && ep.family == AF_UNSPEC)
		why = "a server needs a specific address";
	if (!why)
		request_endpoint(req, by->attr, by->name, text, &ep);
	return why;
}

static const char *put_prefix(const struct ctx *ctx, const struct criterion *by,
			      const char *text, struct request *req)
{
	struct endpoint ep;
	const char *why;
	uint8_t len;

	why = endpoint_parse_prefix(ctx->ifd, text, &ep, &len);
	if (why)
		return why;
	request_endpoint(req, by->attr, by->name, text, &ep);
	request_u8(req, KPROXY_A_SESSION_CLIENT_PREFIX, by->name, text, len);
	return NULL;
}

static const struct criterion criteria[] = {
	{ "listener", KPROXY_A_SESSION_LISTENER, put_name },
	{ "upstream", KPROXY_A_SESSION_UPSTREAM, put_name },
	{ "server", KPROXY_A_SESSION_SERVER, put_endpoint },
	{ "client", KPROXY_A_SESSION_CLIENT, put_prefix },
};

static const struct criterion *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(criteria); i++)
		if (!strcmp(criteria[i].name, name))
			return &criteria[i];
	return NULL;
}

/* @seen gets a bit for each criterion that was given. */
static int parse_one(const struct ctx *ctx, struct args *args,
		     struct request *req, unsigned int *seen)
{
	const char *name = args_next(args), *text, *why;
	const struct criterion *by = find(name);
	unsigned int bit;

	if (!by)
		return ctx_refuse(ctx, "unknown filter \"%s\"", name);
	bit = 1U << (by - criteria);
	if (*seen & bit)
		return ctx_refuse(ctx, "filter \"%s\" is given twice", name);
	*seen |= bit;
	text = args_next(args);
	if (!text)
		return ctx_refuse(ctx, "filter \"%s\" needs a value", name);
	why = by->put(ctx, by, text, req);
	if (why)
		return ctx_refuse(ctx, "%s \"%s\": %s", name, text, why);
	return STATUS_DONE;
}

int filter_parse(struct ctx *ctx, struct args *args, struct request *req)
{
	int status = STATUS_DONE;
	unsigned int seen = 0;
	uint64_t id;

	if (args->argc && !token_number(*args->argv, &id)) {
		ctx->name = args_next(args);
		if (!id)
			return ctx_refuse(ctx, "sessions are numbered from 1");
		request_u64(req, KPROXY_A_SESSION_ID, "id", ctx->name, id);
		return args_end(ctx, args);
	}
	while (!status && args->argc)
		status = parse_one(ctx, args, req, &seen);
	return status;
}
