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

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];

	fields_parse(tb, head, len);
	return fields_decode_nest(ctx, counters, COUNTS_NETNS,
				  tb[KPROXY_A_TOTALS_COUNTERS]);
}

static const struct column columns[] = {
	{ .fields = counters, .scope = COUNTS_NETNS },
	{}
};

static const struct table table = { .columns = columns, .vertical = true };

const struct view stats_view = {
	.cmd = KPROXY_CMD_STATS_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
	.fields = counters,
	.scope = COUNTS_NETNS,
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
