// SPDX-License-Identifier: GPL-2.0
#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "counters.h"
#include "ctx.h"
#include "field.h"
#include "histogram.h"
#include "option.h"
#include "print.h"
#include "request.h"
#include "view.h"

static const char *const state_words[] = {
	[KPROXY_SERVER_STATE_UP] = "up",
	[KPROXY_SERVER_STATE_DRAIN] = "drain",
	[KPROXY_SERVER_STATE_DOWN] = "down",
	NULL
};

static const char *const backup_words[] = { "off", "on", NULL };

static const char *const health_words[] = {
	[KPROXY_HEALTH_UNKNOWN] = "unknown",
	[KPROXY_HEALTH_UP] = "up",
	[KPROXY_HEALTH_DOWN] = "down",
	[KPROXY_HEALTH_EJECTED] = "ejected",
	NULL
};

static const struct option_spec options[] = {
	{ .name = "weight", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_SERVER_WEIGHT, .always = true,
	  .max = KPROXY_WEIGHT_MAX, .def = 1,
	  .help = "share of new sessions, 0 for none" },
	{ .name = "maxconn", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_SERVER_MAXCONN, .max = KPROXY_MAXCONN_MAX,
	  .help = "live sessions at most, 0 for no limit" },
	{ .name = "backup", .type = &option_word, .words = backup_words,
	  .attr = KPROXY_A_SERVER_BACKUP,
	  .help = "used when no other server takes sessions" },
	{ .name = "state", .type = &option_word, .words = state_words,
	  .attr = KPROXY_A_SERVER_STATE, .always = true,
	  .def = KPROXY_SERVER_STATE_UP,
	  .help = "drain: no new sessions, down: live ones are reset too" },
	{}
};

static int build_key(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = args_upstream(ctx, args, req, KPROXY_A_SERVER_UPSTREAM);
	if (!status)
		status = args_server(ctx, args, req, KPROXY_A_SERVER_ADDRESS);
	return status;
}

static int build_add(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_key(ctx, args, req);
	if (!status)
		status = options_parse_new(ctx, args, options, req);
	return status;
}

static int build_set(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_key(ctx, args, req);
	if (!status)
		status = options_parse_change(ctx, args, options, req);
	return status;
}

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	req->dump = true;
	if (!args->argc)
		return STATUS_DONE;
	return args_upstream(ctx, args, req, KPROXY_A_SERVER_UPSTREAM);
}

static const struct field key_fields[] = {
	{ .key = "upstream", .attr = KPROXY_A_SERVER_UPSTREAM,
	  .show = field_string },
	{ .key = "address", .attr = KPROXY_A_SERVER_ADDRESS,
	  .show = field_endpoint },
	{}
};

static const struct field health_field[] = {
	{ .key = "health", .attr = KPROXY_A_SERVER_HEALTH, .show = field_word,
	  .words = health_words },
	{}
};

static const struct field stats_field[] = {
	{ .key = "stats", .attr = KPROXY_A_SERVER_STATS, .show = field_nest,
	  .nested = counters_of_server },
	{}
};

static const struct field preconnect_counts[] = {
	{ .key = "ready", .attr = KPROXY_A_PRECONNECT_READY,
	  .show = field_uint },
	{ .key = "used", .attr = KPROXY_A_PRECONNECT_USED,
	  .show = field_uint },
	{ .key = "missed", .attr = KPROXY_A_PRECONNECT_MISSED,
	  .show = field_uint },
	{}
};

static const struct field preconnect_field[] = {
	{ .key = "preconnect", .attr = KPROXY_A_SERVER_PRECONNECT,
	  .show = field_nest, .nested = preconnect_counts },
	{}
};

static const struct field time_fields[] = {
	{ .key = "connect_time", .attr = KPROXY_A_SERVER_CONNECT_TIME,
	  .show = field_histogram },
	{ .key = "session_time", .attr = KPROXY_A_SERVER_SESSION_TIME,
	  .show = field_histogram },
	{}
};

/* Where nothing was counted there is nothing. */
static void show_times(const struct ctx *ctx, struct nlattr **tb, json_t *row)
{
	const struct field *field;

	for (field = time_fields; field->key; field++)
		if (tb[field->attr])
			json_object_set_new(row, field->key,
					    field->show(ctx, field,
							tb[field->attr]));
}

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	fields_parse(tb, head, len);
	fields_show(ctx, key_fields, tb, row);
	options_show(options, tb, row);
	fields_show(ctx, health_field, tb, row);
	/* An event about its health tells no more than that. */
	if (ctx->stats && tb[KPROXY_A_SERVER_STATS])
		fields_show(ctx, stats_field, tb, row);
	if (ctx->stats && tb[KPROXY_A_SERVER_PRECONNECT])
		fields_show(ctx, preconnect_field, tb, row);
	if (ctx->stats)
		show_times(ctx, tb, row);
	return row;
}

static const struct column columns[] = {
	{ .title = "UPSTREAM", .key = "upstream" },
	{ .title = "ADDRESS", .key = "address" },
	{ .title = "WEIGHT", .key = "weight", .right = true },
	{ .title = "STATE", .key = "state" },
	{ .title = "HEALTH", .key = "health" },
	{ .title = "OPTIONS", .text = option_column, .arg = options },
	{ .title = "SESSIONS", .key = "stats.sessions", .right = true,
	  .stats = true },
	{ .title = "TOTAL", .key = "stats.sessions_total", .right = true,
	  .stats = true },
	{ .title = "FAILED", .key = "stats.connect_failures", .right = true,
	  .stats = true },
	{ .title = "IN", .key = "stats.bytes_in", .text = print_bytes,
	  .right = true, .stats = true },
	{ .title = "OUT", .key = "stats.bytes_out", .text = print_bytes,
	  .right = true, .stats = true },
	{ .title = "CLIENT-STALL", .key = "stats.stall_client_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "SERVER-STALL", .key = "stats.stall_server_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "ENDS", .key = "stats.ends", .text = print_counts,
	  .stats = true },
	{ .title = "CONNECT-P50", .key = "connect_time.p50_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "CONNECT-P99", .key = "connect_time.p99_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "SESSION-P50", .key = "session_time.p50_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "SESSION-P99", .key = "session_time.p99_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "READY", .key = "preconnect.ready", .right = true,
	  .stats = true },
	{ .title = "USED", .key = "preconnect.used", .right = true,
	  .stats = true },
	{ .title = "MISSED", .key = "preconnect.missed", .right = true,
	  .stats = true },
	{}
};

static const struct table table = { .columns = columns };

const struct view server_view = {
	.cmd = KPROXY_CMD_SERVER_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
};

static const struct command commands[] = {
	{ .name = "show", .view = &server_view },
	{ .name = "add", .cmd = KPROXY_CMD_SERVER_ADD, .build = build_add },
	{ .name = "set", .cmd = KPROXY_CMD_SERVER_SET, .build = build_set },
	{ .name = "delete", .cmd = KPROXY_CMD_SERVER_DEL, .build = build_key },
	{}
};

const struct object server_object = {
	.name = "server",
	.usage = "  kproxy server add UPSTREAM ADDR:PORT [OPTION VALUE]...\n"
		 "  kproxy server set UPSTREAM ADDR:PORT OPTION VALUE...\n"
		 "  kproxy server del UPSTREAM ADDR:PORT\n"
		 "  kproxy server show [UPSTREAM]\n",
	.options = options,
	.commands = commands,
};
