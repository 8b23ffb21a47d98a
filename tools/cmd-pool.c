// SPDX-License-Identifier: GPL-2.0
#include <linux/kproxy.h>

#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "print.h"
#include "request.h"
#include "view.h"

static const struct field fields[] = {
	{ .key = "cpu", .attr = KPROXY_A_POOL_CPU, .show = field_uint },
	{ .key = "pages", .attr = KPROXY_A_POOL_PAGES, .show = field_uint },
	{ .key = "pages_free", .attr = KPROXY_A_POOL_PAGES_FREE,
	  .show = field_uint },
	{ .key = "sessions", .attr = KPROXY_A_POOL_SESSIONS,
	  .show = field_uint },
	{ .key = "sessions_free", .attr = KPROXY_A_POOL_SESSIONS_FREE,
	  .show = field_uint },
	{ .key = "page_refills", .attr = KPROXY_A_POOL_PAGE_REFILLS,
	  .show = field_uint },
	{ .key = "session_refills", .attr = KPROXY_A_POOL_SESSION_REFILLS,
	  .show = field_uint },
	{ .key = "fallbacks", .attr = KPROXY_A_POOL_FALLBACKS,
	  .show = field_uint },
	{}
};

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	(void)ctx;
	(void)args;
	req->dump = true;
	return STATUS_DONE;
}

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	return fields_decode(ctx, fields, head, len);
}

static const struct column columns[] = {
	{ .title = "CPU", .key = "cpu", .right = true },
	{ .title = "PAGES", .key = "pages", .right = true },
	{ .title = "FREE", .key = "pages_free", .right = true },
	{ .title = "REFILLS", .key = "page_refills", .right = true },
	{ .title = "SESSIONS", .key = "sessions", .right = true },
	{ .title = "FREE", .key = "sessions_free", .right = true },
	{ .title = "REFILLS", .key = "session_refills", .right = true },
	{ .title = "FALLBACKS", .key = "fallbacks", .right = true },
	{}
};

static const struct table table = { .columns = columns };

const struct view pool_view = {
	.cmd = KPROXY_CMD_POOL_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
};

static const struct command commands[] = {
	{ .name = "show", .view = &pool_view },
	{}
};

const struct object pool_object = {
	.name = "pool",
	.usage = "  kproxy pool show\n",
	.commands = commands,
};
