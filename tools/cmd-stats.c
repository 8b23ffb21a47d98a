// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "counters.h"
#include "ctx.h"
#include "field.h"
#include "print.h"
#include "request.h"
#include "view.h"

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	(void)ctx;
	if (args->argc && !strcmp(*args->argv, "reset")) {
		args_next(args);
		request_set_command(req, KPROXY_CMD_STATS_RESET);
	}
	return STATUS_DONE;
}

static const struct field totals = { .nested = counters_of_netns };

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];

	fields_parse(tb, head, len);
	return field_nest(ctx, &totals, tb[KPROXY_A_TOTALS_COUNTERS]);
}

static const struct column columns[] = {
	{ .title = "live sessions", .key = "sessions" },
	{ .title = "sessions begun", .key = "sessions_total" },
	{ .title = "clients refused", .key = "refused" },
	{ .title = "connects failed", .key = "connect_failures" },
	{ .title = "bytes in", .key = "bytes_in" },
	{ .title = "bytes out", .key = "bytes_out" },
	{ .title = "bytes spliced", .key = "bytes_spliced" },
	{ .title = "bytes copied", .key = "bytes_copied" },
	{ .title = "pumps inline", .key = "pumps_inline" },
	{ .title = "pumps deferred", .key = "pumps_deferred" },
	{ .title = "waited for clients", .key = "stall_client_us",
	  .text = print_us },
	{ .title = "waited for servers", .key = "stall_server_us",
	  .text = print_us },
	{ .title = "sessions ended", .key = "ends", .text = print_counts },
	{}
};

static const struct table table = { .columns = columns, .vertical = true };

const struct view stats_view = {
	.cmd = KPROXY_CMD_STATS_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
};

static const struct command commands[] = {
	{ .name = "show", .view = &stats_view },
	{}
};

const struct object stats_object = {
	.name = "stats",
	.usage = "  kproxy stats show [reset]\n",
	.commands = commands,
};
