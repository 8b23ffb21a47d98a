// SPDX-License-Identifier: GPL-2.0
#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "config.h"
#include "counters.h"
#include "ctx.h"
#include "field.h"
#include "option.h"
#include "option-check.h"
#include "print.h"
#include "request.h"
#include "view.h"

static const char *const balance_words[] = {
	[KPROXY_BALANCE_ROUNDROBIN] = "roundrobin",
	[KPROXY_BALANCE_LEASTCONN] = "leastconn",
	[KPROXY_BALANCE_RANDOM] = "random",
	[KPROXY_BALANCE_MAGLEV] = "maglev",
	[KPROXY_BALANCE_LATENCY] = "latency",
	NULL
};

static const char *const send_proxy_words[] = {
	[KPROXY_SEND_PROXY_OFF] = "off",
	[KPROXY_SEND_PROXY_V1] = "v1",
	[KPROXY_SEND_PROXY_V2] = "v2",
	NULL
};

static const char *const on_down_words[] = {
	[KPROXY_ON_DOWN_KEEP] = "keep",
	[KPROXY_ON_DOWN_RESET] = "reset",
	NULL
};

static const struct option_spec options[] = {
	{ .name = "balance", .type = &option_word, .words = balance_words,
	  .attr = KPROXY_A_UPSTREAM_BALANCE, .always = true,
	  .def = KPROXY_BALANCE_ROUNDROBIN, .help = "how a server is chosen" },
	{ .name = "retries", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_UPSTREAM_RETRIES, .max = 64, .def = 2,
	  .help = "other servers tried when a connect fails" },
	{ .name = "eject", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_UPSTREAM_EJECT, .max = 65535,
	  .help = "failed connects in a row that take a server out, 0 for none" },
	{ .name = "eject-time", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_UPSTREAM_EJECT_TIME, .min = 1,
	  .max = KPROXY_TIME_MAX, .def = 30000,
	  .help = "how long it is out" },
	{ .name = "check", .type = &option_check, .value = "off|tcp|send|PRESET",
	  .words = check_words,
	  .attr = KPROXY_A_UPSTREAM_CHECK, .def = KPROXY_CHECK_OFF,
	  .help = "the check; presets: http [HOST][/PATH], redis, smtp, mysql, postgres" },
	{ .name = "check-send", .type = &option_text, .value = "TEXT",
	  .attr = KPROXY_A_UPSTREAM_CHECK_SEND, .max = KPROXY_CHECK_SEND_MAX,
	  .help = "what check send sends, with the escapes of C" },
	{ .name = "check-expect", .type = &option_pattern, .value = "GLOB",
	  .attr = KPROXY_A_UPSTREAM_CHECK_EXPECT,
	  .max = KPROXY_CHECK_EXPECT_MAX,
	  .help = "what the reply to it begins with" },
	{ .name = "check-port", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_UPSTREAM_CHECK_PORT, .max = 65535,
	  .help = "where checks connect to, 0 for the server's port" },
	{ .name = "on-down", .type = &option_word, .words = on_down_words,
	  .attr = KPROXY_A_UPSTREAM_ON_DOWN, .def = KPROXY_ON_DOWN_KEEP,
	  .help = "live sessions of a server that is found down" },
	{ .name = "fail-open", .type = &option_word, .words = option_switch,
	  .attr = KPROXY_A_UPSTREAM_FAIL_OPEN, .def = KPROXY_SWITCH_OFF,
	  .help = "use servers that are found down when all are" },
	{ .name = "failback", .type = &option_word, .words = option_switch,
	  .attr = KPROXY_A_UPSTREAM_FAILBACK, .def = KPROXY_SWITCH_ON,
	  .help = "off: a server that comes back waits until the others fail" },
	{ .name = "slow-start", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_UPSTREAM_SLOW_START, .max = KPROXY_TIME_MAX,
	  .help = "over which a server that comes back gets its share" },
	{ .name = "interval", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_UPSTREAM_INTERVAL, .min = 10,
	  .max = KPROXY_TIME_MAX, .def = 2000,
	  .help = "from one check to the next" },
	{ .name = "timeout", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_UPSTREAM_TIMEOUT, .min = 1,
	  .max = KPROXY_TIME_MAX, .def = 1000,
	  .help = "for the answer to a check" },
	{ .name = "rise", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_UPSTREAM_RISE, .min = 1, .max = 1000, .def = 2,
	  .help = "checks that succeed until a server is up" },
	{ .name = "fall", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_UPSTREAM_FALL, .min = 1, .max = 1000, .def = 3,
	  .help = "checks that fail until a server is down" },
	{ .name = "source", .type = &option_source,
	  .value = "ADDR[,ADDR]...|client", .attr = KPROXY_A_UPSTREAM_SOURCE,
	  .def = KPROXY_SOURCE_DEFAULT,
	  .help = "connect from these in turn, or as the client" },
	{ .name = "preconnect", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_UPSTREAM_PRECONNECT, .max = KPROXY_PRECONNECT_MAX,
	  .help = "idle connections to each server for each CPU" },
#define SOCKET_ATTR(name) KPROXY_A_UPSTREAM_##name
#include "option-socket.h"
	{ .name = "send-proxy", .type = &option_word, .words = send_proxy_words,
	  .attr = KPROXY_A_UPSTREAM_SEND_PROXY,
	  .def = KPROXY_SEND_PROXY_OFF,
	  .help = "PROXY protocol header that servers get" },
	{}
};

static int build_name(struct ctx *ctx, struct args *args, struct request *req)
{
	return args_name(ctx, args, req, KPROXY_A_UPSTREAM_NAME);
}

static int build_add(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_name(ctx, args, req);
	if (!status)
		status = options_parse_new(ctx, args, options, req);
	return status;
}

static int build_set(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_name(ctx, args, req);
	if (!status)
		status = options_parse_change(ctx, args, options, req);
	return status;
}

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	if (args->argc)
		return build_name(ctx, args, req);
	req->dump = true;
	return STATUS_DONE;
}

static const struct field name_field[] = {
	{ .key = "name", .type = &field_string,
	  .attr = KPROXY_A_UPSTREAM_NAME },
	{}
};

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	fields_parse(tb, head, len);
	fields_show(ctx, name_field, 0, tb, row);
	options_show(options, tb, row);
	option_check_show(tb, row);
	json_object_set_new(row, "servers", json_array());
	return row;
}

static int join_servers(struct ctx *ctx, json_t *rows)
{
	struct request *req = request_new(KPROXY_CMD_SERVER_GET);
	json_t *servers = json_array();
	int status;

	req->dump = true;
	if (ctx->name)
		request_string(req, KPROXY_A_SERVER_UPSTREAM, "upstream",
			       ctx->name);
	status = view_fetch(ctx, req, server_view.decode, servers);
	if (!status)
		view_nest(rows, "servers", servers, "upstream");
	json_decref(servers);
	request_free(req);
	return status;
}

static const struct column columns[] = {
	{ .title = "NAME", .key = "name" },
	{ .title = "BALANCE", .key = "balance" },
	{ .title = "OPTIONS", .cell = option_column, .arg = options },
	{ .title = "SERVER", .key = "address", .inner = true },
	{ .title = "WEIGHT", .key = "weight", .right = true, .inner = true },
	{ .title = "STATE", .key = "state", .inner = true },
	{ .title = "HEALTH", .cell = server_print_health, .inner = true },
	{ .fields = counters, .scope = COUNTS_BRIEF, .nest = "stats",
	  .inner = true, .stats = true },
	{}
};

static const struct table table = { .columns = columns, .list = "servers" };

const struct view upstream_view = {
	.cmd = KPROXY_CMD_UPSTREAM_GET,
	.build = build_show,
	.decode = decode,
	.join = join_servers,
	.table = &table,
};

static const struct form form = {
	.view = &upstream_view,
	.section = "upstreams",
	.key = "name",
};

static const struct command commands[] = {
	{ .name = "show", .view = &upstream_view },
	{ .name = "add", .cmd = KPROXY_CMD_UPSTREAM_ADD, .build = build_add },
	{ .name = "set", .cmd = KPROXY_CMD_UPSTREAM_SET, .build = build_set },
	{ .name = "delete", .cmd = KPROXY_CMD_UPSTREAM_DEL,
	  .build = build_name },
	{}
};

const struct object upstream_object = {
	.name = "upstream",
	.usage = "  kproxy upstream add NAME [OPTION VALUE]...\n"
		 "  kproxy upstream set NAME OPTION VALUE...\n"
		 "  kproxy upstream del NAME\n"
		 "  kproxy upstream show [NAME]\n",
	.options = options,
	.commands = commands,
	.form = &form,
};
