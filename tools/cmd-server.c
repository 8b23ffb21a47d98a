// SPDX-License-Identifier: GPL-2.0
#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "config.h"
#include "counters.h"
#include "ctx.h"
#include "field.h"
#include "histogram.h"
#include "names.h"
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

static const char *const health_words[] = {
	[KPROXY_HEALTH_UNKNOWN] = "unknown",
	[KPROXY_HEALTH_UP] = "up",
	[KPROXY_HEALTH_DOWN] = "down",
	[KPROXY_HEALTH_EJECTED] = "ejected",
	NULL
};

static const char *const health_set_words[] = {
	[KPROXY_HEALTH_SET_AUTO] = "auto",
	[KPROXY_HEALTH_SET_UP] = "up",
	[KPROXY_HEALTH_SET_DOWN] = "down",
	NULL
};

static const struct option_spec options[] = {
	{ .name = "name", .type = &option_label, .value = "NAME",
	  .attr = KPROXY_A_SERVER_NAME, .help = "a label" },
	{ .name = "weight", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_SERVER_WEIGHT, .always = true,
	  .max = KPROXY_WEIGHT_MAX, .def = 1,
	  .help = "share of new sessions, 0 for none" },
	{ .name = "maxconn", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_SERVER_MAXCONN, .max = KPROXY_MAXCONN_MAX,
	  .help = "live sessions at most, 0 for no limit" },
	{ .name = "backup", .type = &option_word, .words = option_switch,
	  .attr = KPROXY_A_SERVER_BACKUP,
	  .help = "used when no other server takes sessions: priority 1" },
	{ .name = "priority", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_SERVER_PRIORITY, .max = KPROXY_PRIORITY_MAX,
	  .help = "servers of the lowest number that take sessions get them" },
	{ .name = "health", .key = "health-set", .type = &option_word,
	  .words = health_set_words, .attr = KPROXY_A_SERVER_HEALTH_SET,
	  .runtime = true, .def = KPROXY_HEALTH_SET_AUTO,
	  .help = "auto: what checks find" },
	{ .name = "state", .type = &option_word, .words = state_words,
	  .attr = KPROXY_A_SERVER_STATE, .always = true, .runtime = true,
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
	{ .key = "upstream", .type = &field_string,
	  .attr = KPROXY_A_SERVER_UPSTREAM },
	{ .key = "address", .type = &field_endpoint,
	  .attr = KPROXY_A_SERVER_ADDRESS },
	{}
};

static const struct field preconnect_counts[] = {
	{ .key = "ready", .type = &field_number,
	  .attr = KPROXY_A_PRECONNECT_READY, .title = "READY",
	  .metric = "preconnect_ready",
	  .help = "Idle connections that a session can take." },
	{ .key = "used", .type = &field_number,
	  .attr = KPROXY_A_PRECONNECT_USED, .title = "USED",
	  .metric = "preconnect_used_total",
	  .help = "Sessions that took an idle connection." },
	{ .key = "missed", .type = &field_number,
	  .attr = KPROXY_A_PRECONNECT_MISSED, .title = "MISSED",
	  .metric = "preconnect_missed_total",
	  .help = "Sessions that found no idle connection." },
	{}
};

/* An event about a server's health has no counters. */
static const struct field fields[] = {
	{ .key = "health", .type = &field_word, .words = health_words,
	  .attr = KPROXY_A_SERVER_HEALTH },
	{ .key = "failures", .type = &field_number,
	  .attr = KPROXY_A_SERVER_FAILURES, .optional = true },
	{ .key = "eject_left_ms", .type = &field_number,
	  .attr = KPROXY_A_SERVER_EJECT_LEFT_MS, .optional = true },
	{ .key = "stats", .type = &field_nest, .attr = KPROXY_A_SERVER_STATS,
	  .nested = counters, .nested_scope = COUNTS_SERVER,
	  .stats = true, .optional = true },
	{ .key = "preconnect", .type = &field_nest,
	  .attr = KPROXY_A_SERVER_PRECONNECT, .nested = preconnect_counts,
	  .stats = true, .optional = true },
	{ .key = "connect_time", .type = &field_histogram,
	  .attr = KPROXY_A_SERVER_CONNECT_TIME,
	  .stats = true, .optional = true,
	  .metric = "connect_time_seconds",
	  .help = "How long it took to connect." },
	{ .key = "session_time", .type = &field_histogram,
	  .attr = KPROXY_A_SERVER_SESSION_TIME,
	  .stats = true, .optional = true,
	  .metric = "session_time_seconds",
	  .help = "How long sessions lived." },
	{}
};

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	fields_parse(tb, head, len);
	fields_show(ctx, key_fields, 0, tb, row);
	options_show(options, tb, row);
	fields_show(ctx, fields, 0, tb, row);
	return row;
}

void server_print_health(FILE *out, const struct column *column,
			 const json_t *row)
{
	(void)column;
	print_value(out, json_object_get(row, "health"));
	if (!json_object_get(row, "failures"))
		return;
	fprintf(out, ": %" JSON_INTEGER_FORMAT " failures, ",
		print_number(row, "failures"));
	print_age(out, json_object_get(row, "eject_left_ms"));
	fputs(" left", out);
}

static const struct column columns[] = {
	{ .title = "UPSTREAM", .key = "upstream" },
	{ .title = "ADDRESS", .key = "address" },
	{ .title = "WEIGHT", .key = "weight", .right = true },
	{ .title = "STATE", .key = "state" },
	{ .title = "HEALTH", .cell = server_print_health },
	{ .title = "OPTIONS", .cell = option_column, .arg = options },
	{ .fields = counters, .scope = COUNTS_SERVER, .nest = "stats",
	  .stats = true },
	{ .title = "CONNECT-P50", .key = "connect_time.p50_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "CONNECT-P99", .key = "connect_time.p99_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "SESSION-P50", .key = "session_time.p50_us",
	  .text = print_us, .right = true, .stats = true },
	{ .title = "SESSION-P99", .key = "session_time.p99_us",
	  .text = print_us, .right = true, .stats = true },
	{ .fields = preconnect_counts, .nest = "preconnect", .stats = true },
	{}
};

static const struct table table = { .columns = columns };

const struct view server_view = {
	.cmd = KPROXY_CMD_SERVER_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
	.fields = fields,
};

static int check(struct ctx *ctx, const struct definition *d,
		 const struct beside *beside)
{
	const char *upstream = d->words[0];

	config_blame(ctx, d, &d->from[1], 0);
	if (beside->again)
		return ctx_refuse(ctx, "upstream \"%s\" already has it",
				  upstream);
	if (beside->n >= KPROXY_SERVERS_MAX)
		return ctx_refuse(ctx, "upstream \"%s\": at most %d servers",
				  upstream, KPROXY_SERVERS_MAX);
	return STATUS_DONE;
}

static const struct form form = {
	.view = &server_view,
	.outer = &upstream_object,
	.list = "servers",
	.list_always = true,
	.outer_key = "upstream",
	.key = "address",
	.operand = "address",
	.operand_key = "address",
	.followed = "name",
	.check = check,
};

static const struct command commands[] = {
	{ .name = "show", .view = &server_view },
	{ .name = "add", .cmd = KPROXY_CMD_SERVER_ADD, .build = build_add,
	  .divert = names_divert_add },
	{ .name = "set", .cmd = KPROXY_CMD_SERVER_SET, .build = build_set,
	  .divert = names_divert_set },
	{ .name = "delete", .cmd = KPROXY_CMD_SERVER_DEL, .build = build_key,
	  .divert = names_divert_del },
	{}
};

const struct object server_object = {
	.name = "server",
	.usage = "  kproxy server add UPSTREAM ADDR:PORT [OPTION VALUE]...\n"
		 "  kproxy server add UPSTREAM NAME:PORT resolve on [OPTION VALUE]...\n"
		 "  kproxy server set UPSTREAM ADDR:PORT OPTION VALUE...\n"
		 "  kproxy server del UPSTREAM ADDR:PORT\n"
		 "  kproxy server show [UPSTREAM]\n",
	.options = options,
	.commands = commands,
	.form = &form,
};
