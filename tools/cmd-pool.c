// SPDX-License-Identifier: GPL-2.0
#include <linux/kproxy.h>

#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "print.h"
#include "request.h"
#include "view.h"

static const struct field fields[] = {
	{ .key = "cpu", .type = &field_number,
	  .attr = KPROXY_A_POOL_CPU, .title = "CPU" },
	{ .key = "pages", .type = &field_number,
	  .attr = KPROXY_A_POOL_PAGES, .title = "PAGES",
	  .metric = "pages", .help = "Pages preallocated." },
	{ .key = "pages_free", .type = &field_number,
	  .attr = KPROXY_A_POOL_PAGES_FREE, .title = "FREE",
	  .metric = "pages_free", .help = "Of these, nobody else holds." },
	{ .key = "page_refills", .type = &field_number,
	  .attr = KPROXY_A_POOL_PAGE_REFILLS, .title = "REFILLS",
	  .metric = "page_refills_total",
	  .help = "Times that the next page was taken." },
	{ .key = "sessions", .type = &field_number,
	  .attr = KPROXY_A_POOL_SESSIONS, .title = "SESSIONS",
	  .metric = "sessions", .help = "Sessions preallocated." },
	{ .key = "sessions_free", .type = &field_number,
	  .attr = KPROXY_A_POOL_SESSIONS_FREE, .title = "FREE",
	  .metric = "sessions_free", .help = "Of these, ready for use." },
	{ .key = "session_refills", .type = &field_number,
	  .attr = KPROXY_A_POOL_SESSION_REFILLS, .title = "REFILLS",
	  .metric = "session_refills_total",
	  .help = "Times that returned sessions were taken." },
	{ .key = "fallbacks", .type = &field_number,
	  .attr = KPROXY_A_POOL_FALLBACKS, .title = "FALLBACKS",
	  .metric = "fallbacks_total",
	  .help = "Times that the pool was empty." },
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
	return fields_decode(ctx, fields, 0, head, len);
}

static const struct column columns[] = { { .fields = fields }, {} };

static const struct table table = { .columns = columns };

const struct view pool_view = {
	.cmd = KPROXY_CMD_POOL_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
	.fields = fields,
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
