// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "filter.h"
#include "nl.h"
#include "print.h"
#include "request.h"
#include "session-fields.h"
#include "view.h"

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	req->dump = true;
	return filter_parse(ctx, args, req);
}

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	return fields_decode(ctx, session_fields, SESSION_LIVE, head, len);
}

static const struct column columns[] = {
	{ .fields = session_fields, .scope = SESSION_COLUMN },
	{ .fields = session_fields, .scope = SESSION_MORE, .stats = true },
	{}
};

static const struct table table = { .columns = columns };

const struct view session_view = {
	.cmd = KPROXY_CMD_SESSION_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
};

static void count_killed(const struct nlattr *head, int len, void *arg)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	uint64_t *killed = arg;

	fields_parse(tb, head, len);
	*killed = field_get_uint(tb[KPROXY_A_SESSION_KILLED]);
}

static int build_kill(struct ctx *ctx, struct args *args, struct request *req)
{
	if (!args->argc)
		return ctx_refuse(ctx, "ID or FILTER is missing, try \"kproxy session help\"");
	return filter_parse(ctx, args, req);
}

static int kill_run(struct ctx *ctx, struct args *args)
{
	struct request *req = request_new(KPROXY_CMD_SESSION_KILL);
	uint64_t killed = 0;
	int status;

	status = build_kill(ctx, args, req);
	if (!status)
		status = nl_exchange(ctx, req, count_killed, &killed);
	if (!status && !ctx->json)
		printf("%" PRIu64 " session%s killed\n", killed,
		       killed == 1 ? "" : "s");
	request_free(req);
	return status;
}

static const struct command commands[] = {
	{ .name = "show", .view = &session_view },
	{ .name = "kill", .run = kill_run },
	{}
};

const struct object session_object = {
	.name = "session",
	.usage = "  kproxy session show [ID | FILTER]\n"
		 "  kproxy session kill ID | FILTER\n"
		 "      FILTER: listener NAME, upstream NAME, server ADDR:PORT, client ADDR[/LEN]; all must match\n",
	.commands = commands,
};
