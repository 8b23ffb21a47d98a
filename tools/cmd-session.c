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
#include "view.h"

static const char *const state_words[] = {
	[KPROXY_SESSION_STATE_CONNECTING] = "connecting",
	[KPROXY_SESSION_STATE_ESTABLISHED] = "established",
	[KPROXY_SESSION_STATE_CLOSING] = "closing",
	NULL
};

static const struct field tcp_fields[] = {
	{ .key = "rtt_us", .attr = KPROXY_A_TCP_RTT_US, .show = field_uint },
	{ .key = "cwnd", .attr = KPROXY_A_TCP_CWND, .show = field_uint },
	{ .key = "retrans", .attr = KPROXY_A_TCP_RETRANS, .show = field_uint },
	{ .key = "unacked", .attr = KPROXY_A_TCP_UNACKED, .show = field_uint },
	{ .key = "rcvq", .attr = KPROXY_A_TCP_RCVQ, .show = field_uint },
	{ .key = "sndq", .attr = KPROXY_A_TCP_SNDQ, .show = field_uint },
	{}
};

static const struct field fields[] = {
	{ .key = "id", .attr = KPROXY_A_SESSION_ID, .show = field_uint },
	{ .key = "listener", .attr = KPROXY_A_SESSION_LISTENER,
	  .show = field_string },
	{ .key = "upstream", .attr = KPROXY_A_SESSION_UPSTREAM,
	  .show = field_string },
	{ .key = "client", .attr = KPROXY_A_SESSION_CLIENT,
	  .show = field_endpoint },
	{ .key = "local", .attr = KPROXY_A_SESSION_LOCAL,
	  .show = field_endpoint },
	{ .key = "source", .attr = KPROXY_A_SESSION_SOURCE,
	  .show = field_endpoint },
	{ .key = "server", .attr = KPROXY_A_SESSION_SERVER,
	  .show = field_endpoint },
	{ .key = "state", .attr = KPROXY_A_SESSION_STATE, .show = field_word,
	  .words = state_words },
	{ .key = "age_ms", .attr = KPROXY_A_SESSION_AGE_MS,
	  .show = field_uint },
	{ .key = "idle_ms", .attr = KPROXY_A_SESSION_IDLE_MS,
	  .show = field_uint },
	{ .key = "cpu", .attr = KPROXY_A_SESSION_CPU, .show = field_uint },
	{ .key = "bytes_in", .attr = KPROXY_A_SESSION_BYTES_IN,
	  .show = field_uint },
	{ .key = "bytes_out", .attr = KPROXY_A_SESSION_BYTES_OUT,
	  .show = field_uint },
	{ .key = "bytes_spliced", .attr = KPROXY_A_SESSION_BYTES_SPLICED,
	  .show = field_uint },
	{ .key = "bytes_copied", .attr = KPROXY_A_SESSION_BYTES_COPIED,
	  .show = field_uint },
	{ .key = "client_tcp", .attr = KPROXY_A_SESSION_CLIENT_TCP,
	  .show = field_nest, .nested = tcp_fields },
	{ .key = "server_tcp", .attr = KPROXY_A_SESSION_SERVER_TCP,
	  .show = field_nest, .nested = tcp_fields },
	{ .key = "stall_client_us", .attr = KPROXY_A_SESSION_STALL_CLIENT_US,
	  .show = field_uint },
	{ .key = "stall_server_us", .attr = KPROXY_A_SESSION_STALL_SERVER_US,
	  .show = field_uint },
	{}
};

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	req->dump = true;
	return filter_parse(ctx, args, req);
}

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	return fields_decode(ctx, fields, head, len);
}

static const struct column columns[] = {
	{ .title = "ID", .key = "id", .right = true },
	{ .title = "LISTENER", .key = "listener" },
	{ .title = "CLIENT", .key = "client" },
	{ .title = "SERVER", .key = "server" },
	{ .title = "STATE", .key = "state" },
	{ .title = "AGE", .key = "age_ms", .text = print_age, .right = true },
	{ .title = "IDLE", .key = "idle_ms", .text = print_age, .right = true },
	{ .title = "IN", .key = "bytes_in", .text = print_bytes,
	  .right = true },
	{ .title = "OUT", .key = "bytes_out", .text = print_bytes,
	  .right = true },
	{ .title = "UPSTREAM", .key = "upstream", .stats = true },
	{ .title = "LOCAL", .key = "local", .stats = true },
	{ .title = "SOURCE", .key = "source", .stats = true },
	{ .title = "CPU", .key = "cpu", .right = true, .stats = true },
	{ .title = "SPLICED", .key = "bytes_spliced", .text = print_bytes,
	  .right = true, .stats = true },
	{ .title = "COPIED", .key = "bytes_copied", .text = print_bytes,
	  .right = true, .stats = true },
	{ .title = "CLIENT-RTT-US", .key = "client_tcp.rtt_us", .right = true,
	  .stats = true },
	{ .title = "SERVER-RTT-US", .key = "server_tcp.rtt_us", .right = true,
	  .stats = true },
	{ .title = "CLIENT-STALL", .key = "stall_client_us", .text = print_us,
	  .right = true, .stats = true },
	{ .title = "SERVER-STALL", .key = "stall_server_us", .text = print_us,
	  .right = true, .stats = true },
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
