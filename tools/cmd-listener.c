// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "config.h"
#include "config-diff.h"
#include "counters.h"
#include "ctx.h"
#include "field.h"
#include "option.h"
#include "prefix.h"
#include "print.h"
#include "request.h"
#include "view.h"

static const char *const allow_words[] = { "all", NULL };
static const char *const deny_words[] = { "none", NULL };

static const struct option_spec options[] = {
	{ .name = "upstream", .type = &option_name, .value = "UPSTREAM",
	  .attr = KPROXY_A_LISTENER_UPSTREAM, .always = true, .required = true,
	  .help = "where its sessions go" },
	{ .name = "maxconn", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_LISTENER_MAXCONN, .max = UINT32_MAX,
	  .help = "live sessions at most, 0 for no limit" },
	{ .name = "backlog", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_LISTENER_BACKLOG, .min = 1, .max = 65535,
	  .def = 4096, .help = "clients that may wait to be accepted" },
	{ .name = "connect-timeout", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_LISTENER_CONNECT_TIMEOUT, .min = 1,
	  .max = KPROXY_TIME_MAX, .def = 5000,
	  .help = "until a server answered" },
	{ .name = "idle-timeout", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_LISTENER_IDLE_TIMEOUT, .max = KPROXY_TIME_MAX,
	  .def = 600000, .help = "no byte in either direction, 0 for ever" },
	{ .name = "fin-timeout", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_LISTENER_FIN_TIMEOUT, .max = KPROXY_TIME_MAX,
	  .def = 60000,
	  .help = "one direction closed, the other idle, 0 for ever" },
	{ .name = "max-age", .type = &option_time, .value = "T",
	  .attr = KPROXY_A_LISTENER_MAX_AGE, .max = KPROXY_TIME_MAX,
	  .help = "a session's whole life, 0 for no limit" },
	{ .name = "transparent", .type = &option_word, .words = option_switch,
	  .attr = KPROXY_A_LISTENER_TRANSPARENT, .def = KPROXY_SWITCH_OFF,
	  .help = "accept on addresses that are not local, for TPROXY" },
#define SOCKET_ATTR(name) KPROXY_A_LISTENER_##name
#include "option-socket.h"
	{ .name = "rate", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_LISTENER_RATE, .max = UINT32_MAX,
	  .help = "new sessions a second, others wait, 0 for no limit" },
	{ .name = "client-maxconn", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_LISTENER_CLIENT_MAXCONN, .max = UINT32_MAX,
	  .help = "live sessions of one client, 0 for no limit" },
	{ .name = "client-rate", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_LISTENER_CLIENT_RATE, .max = UINT32_MAX,
	  .help = "new sessions of one client a second, 0 for no limit" },
	{ .name = "allow", .type = &option_prefixes, .value = "CIDR[,CIDR]...",
	  .attr = KPROXY_A_LISTENER_ALLOW, .words = allow_words,
	  .help = "networks whose clients are admitted" },
	{ .name = "deny", .type = &option_prefixes, .value = "CIDR[,CIDR]...",
	  .attr = KPROXY_A_LISTENER_DENY, .words = deny_words,
	  .help = "networks whose clients are reset" },
	{ .name = "accept-proxy", .type = &option_word, .words = option_switch,
	  .attr = KPROXY_A_LISTENER_ACCEPT_PROXY,
	  .help = "clients must send a PROXY protocol header" },
	{ .name = "log-sample", .type = &option_number, .value = "N",
	  .attr = KPROXY_A_LISTENER_LOG_SAMPLE, .min = 1, .max = 1000000,
	  .def = 1, .help = "one of N ended sessions is in the log" },
	{}
};

static int build_name(struct ctx *ctx, struct args *args, struct request *req)
{
	return args_name(ctx, args, req, KPROXY_A_LISTENER_NAME);
}

static int build_add(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_name(ctx, args, req);
	if (!status)
		status = args_addresses(ctx, args, req,
					KPROXY_A_LISTENER_ADDRESS);
	if (!status)
		status = options_parse_new(ctx, args, options, req);
	return status;
}

/* Whether the next word is "listen", or what it was called before. */
static bool is_listen(const struct args *args)
{
	return args->argc && (!strcmp(*args->argv, "listen") ||
			      !strcmp(*args->argv, "address") ||
			      !strcmp(*args->argv, "addresses"));
}

static int build_set(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_name(ctx, args, req);
	if (!status && is_listen(args)) {
		args_next(args);
		status = args_addresses(ctx, args, req,
					KPROXY_A_LISTENER_ADDRESS);
		if (!args->argc)
			return status;
	}
	if (!status)
		status = options_parse_change(ctx, args, options, req);
	return status;
}

static int build_del(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_name(ctx, args, req);
	if (!status && args->argc && !strcmp(*args->argv, "kill"))
		request_flag(req, KPROXY_A_LISTENER_KILL, args_next(args));
	return status;
}

static const struct option_spec drain_options[] = {
	{ .name = "rate", .type = &option_pace,
	  .attr = KPROXY_A_LISTENER_DRAIN_RATE, .min = 1, .max = UINT32_MAX },
	{ .name = "deadline", .type = &option_time,
	  .attr = KPROXY_A_LISTENER_DRAIN_DEADLINE, .min = 1,
	  .max = KPROXY_TIME_MAX },
	{}
};

static int build_drain(struct ctx *ctx, struct args *args, struct request *req)
{
	int status;

	status = build_name(ctx, args, req);
	if (!status)
		status = options_parse_new(ctx, args, drain_options, req);
	return status;
}

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	if (args->argc)
		return build_name(ctx, args, req);
	req->dump = true;
	return STATUS_DONE;
}

static json_t *addresses(const struct ctx *ctx, const struct nlattr *head,
			 int len, int type)
{
	json_t *list = json_array();
	struct nlattr *attr;
	int rem;

	nla_for_each_attr(attr, (struct nlattr *)head, len, rem)
		if (nla_type(attr) == type)
			json_array_append_new(list,
					      field_endpoint.show(ctx, NULL,
								  attr));
	return list;
}

static const struct field name_field[] = {
	{ .key = "name", .type = &field_string,
	  .attr = KPROXY_A_LISTENER_NAME },
	{}
};

static const struct field fields[] = {
	{ .key = "stats", .type = &field_nest, .attr = KPROXY_A_LISTENER_STATS,
	  .nested = counters, .nested_scope = COUNTS_LISTENER, .stats = true },
	{}
};

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	fields_parse(tb, head, len);
	fields_show(ctx, name_field, 0, tb, row);
	json_object_set_new(row, "addresses",
			    addresses(ctx, head, len,
				      KPROXY_A_LISTENER_ADDRESS));
	if (tb[KPROXY_A_LISTENER_DEAD])
		json_object_set_new(row, "dead",
				    addresses(ctx, head, len,
					      KPROXY_A_LISTENER_DEAD));
	options_show(options, tb, row);
	fields_show(ctx, fields, 0, tb, row);
	return row;
}

static bool is_in(const json_t *list, const json_t *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (json_equal(item, value))
			return true;
	return false;
}

static void print_addresses(FILE *out, const struct column *column,
			    const json_t *row)
{
	const json_t *dead = json_object_get(row, "dead"), *addr;
	size_t i;

	json_array_foreach(json_object_get(row, column->key), i, addr) {
		if (i)
			fputc(',', out);
		print_value(out, addr);
		if (is_in(dead, addr))
			fputs("(dead)", out);
	}
}

static const struct column columns[] = {
	{ .title = "NAME", .key = "name" },
	{ .title = "ADDRESSES", .key = "addresses", .cell = print_addresses },
	{ .title = "UPSTREAM", .key = "upstream" },
	{ .fields = counters, .scope = COUNTS_LISTENER, .nest = "stats",
	  .stats = true },
	{ .title = "OPTIONS", .cell = option_column, .arg = options },
	{}
};

static const struct table table = { .columns = columns };

const struct view listener_view = {
	.cmd = KPROXY_CMD_LISTENER_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
	.fields = fields,
};

/* No two listeners may have an address. */
static int check(struct ctx *ctx, const struct definition *d,
		 const struct beside *beside)
{
	const char *text, *owner;
	json_t *address;
	size_t i;

	json_array_foreach(json_object_get(d->row, "addresses"), i, address) {
		text = json_string_value(address);
		owner = json_string_value(json_object_get(beside->claims,
							  text));
		config_blame(ctx, d, &d->from[1], i);
		if (owner)
			return ctx_refuse(ctx, "address %s: already used by listener \"%s\"",
					  text, owner);
		json_object_set_new(beside->claims, text,
				    json_string(d->words[0]));
	}
	return STATUS_DONE;
}

/* Setting the same addresses makes the kernel open the dead ones again. */
static void compare(struct change *change, const struct definition *d,
		    const json_t *row)
{
	json_t *have = json_object_get(row, "addresses");
	json_t *dead = json_object_get(row, "dead");
	bool same = json_equal(json_object_get(d->row, "addresses"), have);

	if (same && !dead)
		return;
	change_add_word(change, "listen", d->from[1]);
	change_add_word(change, d->words[1], d->from[1]);
	if (same)
		change_note_was(change, "dead", dead);
	else
		change_note_was(change, "listen", have);
}

static const struct form form = {
	.view = &listener_view,
	.section = "listeners",
	.key = "name",
	.operand = "listen",
	.operand_key = "addresses",
	.refers = &upstream_object,
	.check = check,
	.compare = compare,
};

static const struct command commands[] = {
	{ .name = "show", .view = &listener_view },
	{ .name = "add", .cmd = KPROXY_CMD_LISTENER_ADD, .build = build_add },
	{ .name = "set", .cmd = KPROXY_CMD_LISTENER_SET, .build = build_set },
	{ .name = "delete", .cmd = KPROXY_CMD_LISTENER_DEL,
	  .build = build_del },
	{ .name = "drain", .cmd = KPROXY_CMD_LISTENER_DRAIN,
	  .build = build_drain },
	{}
};

const struct object listener_object = {
	.name = "listener",
	.usage = "  kproxy listener add NAME ADDR:PORT[,ADDR:PORT]... upstream UPSTREAM [OPTION VALUE]...\n"
		 "  kproxy listener set NAME [listen ADDR:PORT[,ADDR:PORT]...] [OPTION VALUE]...\n"
		 "  kproxy listener del NAME [kill]\n"
		 "  kproxy listener drain NAME [rate N/s] [deadline T]\n"
		 "  kproxy listener show [NAME]\n",
	.options = options,
	.commands = commands,
	.form = &form,
};
