// SPDX-License-Identifier: GPL-2.0
/*
 * A configuration of HAProxy that does what kproxy does, as far as HAProxy can.
 * A listener becomes a frontend, an upstream a backend. What HAProxy lacks is
 * said on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "config.h"
#include "config-read.h"
#include "config-running.h"
#include "ctx.h"
#include "import.h"
#include "names.h"
#include "nl.h"
#include "option.h"
#include "print.h"
#include "row.h"
#include "token.h"
#include "view.h"

/**
 * struct export - what is written
 * @ctx: for messages
 * @running: all objects, by section
 * @names: servers that are names, rows of names.h
 * @out: gets the configuration
 */
struct export {
	struct ctx *ctx;
	const json_t *running;
	const json_t *names;
	FILE *out;
};

/* The value of an option as text, for free(); its default if it is not set. */
static char *value_of(const struct object *object, const json_t *row,
		      const char *name)
{
	const struct option_spec *option;
	json_t *value = json_incref(json_object_get(row, name));
	char *text;

	for (option = object->options; !value && option->name; option++)
		if (!strcmp(option->name, name))
			value = option_default(option);
	text = value ? config_text(value) : xstrdup("");
	json_decref(value);
	return text;
}

static bool is_on(const json_t *row, const char *name)
{
	return !strcmp(row_text(row, name), "on");
}

static void missing(const struct export *e, const struct object *object,
		    const json_t *row, const char *key, const char *option)
{
	e->ctx->object = object->name;
	e->ctx->name = row_text(row, key);
	ctx_fail(e->ctx, STATUS_DONE, "%s: HAProxy has nothing like it", option);
	e->ctx->object = NULL;
	e->ctx->name = NULL;
}

/* "    KEYWORD VALUE" of an option, or of its default. */
static void write_option(const struct export *e, const struct object *object,
			 const json_t *row, const char *name,
			 const char *keyword)
{
	char *text = value_of(object, row, name);

	fprintf(e->out, "    %s %s\n", keyword, text);
	free(text);
}

/* The same unless it has its default. */
static void write_given(const struct export *e, const struct object *object,
			const json_t *row, const char *name,
			const char *keyword)
{
	if (json_object_get(row, name))
		write_option(e, object, row, name, keyword);
}

/* @side is "clitcpka" or "srvtcpka". */
static void write_keepalive(const struct export *e, const struct object *object,
			    const json_t *row, const char *side)
{
	char *text = value_of(object, row, "keepalive");
	char *rest = *text ? text : NULL;
	const char *idle, *interval, *count;

	/* The default is not in the table of options. */
	if (!rest) {
		free(text);
		text = xstrdup("60s,10s,6");
		rest = text;
	}
	idle = strsep(&rest, ",");
	interval = strsep(&rest, ",");
	count = strsep(&rest, ",");
	if (count)
		fprintf(e->out, "    option %s\n    %s-idle %s\n    %s-intvl %s\n    %s-cnt %s\n",
			side, side, idle, side, interval, side, count);
	free(text);
}

static const char *const listener_missing[] = {
	"max-age", "rcvbuf", "sndbuf", "congestion", "notsent-lowat", "dscp",
	"mark", "pacing", "nodelay", "log-sample",
};

static const char *const upstream_missing[] = {
	"preconnect", "rcvbuf", "sndbuf", "congestion", "notsent-lowat", "dscp",
	"mark", "pacing", "nodelay", "user-timeout", "fail-open", "failback",
};

static void say_missing(const struct export *e, const struct object *object,
			const json_t *row, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (json_object_get(row, names[i]))
			missing(e, object, row, "name", names[i]);
}

static void write_bind(const struct export *e, const json_t *row,
		       const char *address)
{
	bool any = *address == '*';

	fprintf(e->out, "    bind %s%s%s", any ? "[::]" : "",
		address + any, any ? " v4v6" : *address == '[' ? " v6only" : "");
	if (is_on(row, "accept-proxy"))
		fputs(" accept-proxy", e->out);
	if (is_on(row, "transparent"))
		fputs(" transparent", e->out);
	if (is_on(row, "fastopen"))
		fputs(" tfo", e->out);
	if (json_object_get(row, "user-timeout"))
		fprintf(e->out, " tcp-ut %s", row_text(row, "user-timeout"));
	fputc('\n', e->out);
}

/* A network, and whether its clients are admitted. */
struct network {
	const char *text;
	unsigned long len;
	bool allow;
};

static size_t collect(struct network *list, size_t n, const json_t *networks,
		      bool allow)
{
	const char *slash;
	json_t *value;
	size_t i;

	json_array_foreach(networks, i, value) {
		list[n].text = json_string_value(value);
		slash = strchr(list[n].text, '/');
		list[n].len = slash ? strtoul(slash + 1, NULL, 10) : 0;
		list[n++].allow = allow;
	}
	return n;
}

static int longest_first(const void *a, const void *b)
{
	const struct network *p = a, *q = b;

	return p->len == q->len ? 0 : p->len > q->len ? -1 : 1;
}

/* Of the rules of HAProxy the first decides, here the longest prefix. */
static void write_networks(const struct export *e, const json_t *row)
{
	const json_t *allow = json_object_get(row, "allow");
	const json_t *deny = json_object_get(row, "deny");
	struct network *list;
	size_t n, i;

	n = json_array_size(allow) + json_array_size(deny);
	list = xgrow(NULL, n + 1, sizeof(*list));
	n = collect(list, 0, allow, true);
	n = collect(list, n, deny, false);
	qsort(list, n, sizeof(*list), longest_first);
	for (i = 0; i < n; i++)
		fprintf(e->out, "    tcp-request connection %s if { src %s }\n",
			list[i].allow ? "accept" : "reject", list[i].text);
	if (allow)
		fputs("    tcp-request connection reject\n", e->out);
	free(list);
}

static void write_client_limits(const struct export *e, const json_t *row)
{
	const json_t *maxconn = json_object_get(row, "client-maxconn");
	const json_t *rate = json_object_get(row, "client-rate");

	if (!maxconn && !rate)
		return;
	fputs("    stick-table type ipv6 size 1m expire 1m store conn_cur,conn_rate(1s)\n"
	      "    tcp-request connection track-sc0 src\n", e->out);
	if (maxconn)
		fprintf(e->out, "    tcp-request connection reject if { sc0_conn_cur gt %"
			JSON_INTEGER_FORMAT " }\n", json_integer_value(maxconn));
	if (rate)
		fprintf(e->out, "    tcp-request connection reject if { sc0_conn_rate gt %"
			JSON_INTEGER_FORMAT " }\n", json_integer_value(rate));
}

/* A longer suffix is more specific than one that it ends with. */
static size_t rank(const json_t *route)
{
	const char *sni = row_text(route, "sni");

	return *sni == '*' ? strlen(sni) : SIZE_MAX;
}

static int specific_first(const void *a, const void *b)
{
	size_t left = rank(*(json_t *const *)a), right = rank(*(json_t *const *)b);

	return left == right ? 0 : left > right ? -1 : 1;
}

static void write_route(const struct export *e, const json_t *route)
{
	const char *sni = row_text(route, "sni");
	bool suffix = *sni == '*';

	fprintf(e->out, "    use_backend %s if { req.ssl_sni -i%s %s }\n",
		row_text(route, "upstream"), suffix ? " -m end" : "",
		sni + suffix);
}

static void write_routes(const struct export *e, const json_t *row)
{
	const json_t *routes = json_object_get(row, "routes");
	size_t n = json_array_size(routes), i;
	json_t **list;

	if (!n)
		return;
	list = xgrow(NULL, n, sizeof(*list));
	for (i = 0; i < n; i++)
		list[i] = json_array_get(routes, i);
	qsort(list, n, sizeof(*list), specific_first);
	write_option(e, &listener_object, row, "connect-timeout",
		     "tcp-request inspect-delay");
	fputs("    tcp-request content accept if { req.ssl_hello_type 1 }\n",
	      e->out);
	for (i = 0; i < n; i++)
		write_route(e, list[i]);
	free(list);
}

static void write_frontend(const struct export *e, const json_t *row)
{
	const json_t *address;
	size_t i;

	fprintf(e->out, "\nfrontend %s\n", row_text(row, "name"));
	json_array_foreach(json_object_get(row, "addresses"), i, address)
		write_bind(e, row, json_string_value(address));
	write_given(e, &listener_object, row, "maxconn", "maxconn");
	write_option(e, &listener_object, row, "backlog", "backlog");
	write_given(e, &listener_object, row, "rate", "rate-limit sessions");
	write_option(e, &listener_object, row, "idle-timeout",
		     "timeout client");
	write_option(e, &listener_object, row, "fin-timeout",
		     "timeout client-fin");
	write_keepalive(e, &listener_object, row, "clitcpka");
	/* A rule that accepts is the last one that is looked at. */
	write_client_limits(e, row);
	write_networks(e, row);
	write_routes(e, row);
	write_option(e, &listener_object, row, "upstream", "default_backend");
	say_missing(e, &listener_object, row, listener_missing,
		    ARRAY_SIZE(listener_missing));
}

static bool uses(const json_t *listener, const char *upstream)
{
	const json_t *route;
	size_t i;

	if (!strcmp(row_text(listener, "upstream"), upstream))
		return true;
	json_array_foreach(json_object_get(listener, "routes"), i, route)
		if (!strcmp(row_text(route, "upstream"), upstream))
			return true;
	return false;
}

/* Times are those of listeners here, of backends there: the longest. */
static void write_longest(const struct export *e, const char *upstream,
			  const char *name, const char *keyword)
{
	uint64_t longest = 0, ms;
	const json_t *listener;
	bool forever = false, any = false;
	char buf[OPTION_TEXT_MAX], *text;
	size_t i;

	json_array_foreach(running_rows(e->running, &listener_object), i,
			   listener) {
		if (!uses(listener, upstream))
			continue;
		text = value_of(&listener_object, listener, name);
		if (!token_time(text, &ms)) {
			any = true;
			forever |= !ms;
			longest = ms > longest ? ms : longest;
		}
		free(text);
	}
	if (!any)
		return;
	token_format_time(forever ? 0 : longest, buf, sizeof(buf));
	fprintf(e->out, "    timeout %s %s\n", keyword, buf);
}

static void write_balance(const struct export *e, const json_t *row)
{
	const char *balance = row_text(row, "balance");

	if (!strcmp(balance, "maglev"))
		fputs("    balance source\n    hash-type consistent\n", e->out);
	else if (!strcmp(balance, "random"))
		fputs("    balance random(2)\n", e->out);
	else if (!strcmp(balance, "latency"))
		fputs("    balance leastconn\n", e->out);
	else
		fprintf(e->out, "    balance %s\n",
			*balance ? balance : "roundrobin");
	if (!strcmp(balance, "latency"))
		missing(e, &upstream_object, row, "name", "balance latency");
}

static void write_source(const struct export *e, const json_t *row)
{
	const char *source = row_text(row, "source"), *comma;

	if (!*source)
		return;
	comma = strchr(source, ',');
	if (comma)
		missing(e, &upstream_object, row, "name",
			"source of more than one address");
	if (!strcmp(source, "client"))
		fputs("    source 0.0.0.0 usesrc clientip\n", e->out);
	else
		fprintf(e->out, "    source %.*s\n",
			(int)(comma ? comma - source : (long)strlen(source)),
			source);
}

static bool is_checked(const json_t *row)
{
	const char *check = row_text(row, "check");

	return *check && strcmp(check, "off");
}

/* Without checks a server that was taken out would stay out. */
static void write_eject(const struct export *e, const json_t *row)
{
	const json_t *eject = json_object_get(row, "eject");

	if (!eject)
		return;
	fprintf(e->out, " observe layer4 error-limit %" JSON_INTEGER_FORMAT
		" on-error mark-down", json_integer_value(eject));
	if (!is_checked(row))
		fputs(" check", e->out);
}

static void write_checks(const struct export *e, const json_t *row)
{
	char *inter = value_of(&upstream_object, row, is_checked(row) ?
			       "interval" : "eject-time");
	char *rise = value_of(&upstream_object, row, "rise");
	char *fall = value_of(&upstream_object, row, "fall");

	fputs("    default-server", e->out);
	if (is_checked(row))
		fputs(" check", e->out);
	write_eject(e, row);
	fprintf(e->out, " inter %s rise %s fall %s\n", inter,
		is_checked(row) ? rise : "1", fall);
	free(inter);
	free(rise);
	free(fall);
	if (!is_checked(row))
		return;
	write_option(e, &upstream_object, row, "timeout", "timeout check");
	if (strcmp(row_text(row, "check"), "tcp"))
		missing(e, &upstream_object, row, "name",
			"check other than tcp");
}

static void write_server(const struct export *e, const json_t *upstream,
			 const json_t *row, size_t n)
{
	const char *state = row_text(row, "state");
	const char *header = row_text(upstream, "send-proxy");
	char *weight = value_of(&server_object, row, "weight");

	fprintf(e->out, "    server s%zu %s weight %s", n + 1,
		row_text(row, "address"), !strcmp(state, "drain") ? "0" : weight);
	free(weight);
	if (json_object_get(row, "maxconn"))
		fprintf(e->out, " maxconn %" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(row, "maxconn")));
	if (is_on(row, "backup") ||
	    json_integer_value(json_object_get(row, "priority")))
		fputs(" backup", e->out);
	if (!strcmp(header, "v1"))
		fputs(" send-proxy", e->out);
	if (!strcmp(header, "v2"))
		fputs(" send-proxy-v2", e->out);
	if (is_on(upstream, "fastopen"))
		fputs(" tfo", e->out);
	if (json_object_get(upstream, "slow-start"))
		fprintf(e->out, " slowstart %s",
			row_text(upstream, "slow-start"));
	if (!strcmp(row_text(upstream, "on-down"), "reset"))
		fputs(" on-marked-down shutdown-sessions", e->out);
	if (!strcmp(state, "down"))
		fputs(" disabled", e->out);
	/* A name need not be found yet. */
	if (json_object_get(row, "name"))
		fputs(" init-addr last,libc,none", e->out);
	fputc('\n', e->out);
}

/* A name as if it were a server: options are text in its row. */
static json_t *server_of(const json_t *name)
{
	json_t *row = json_deep_copy(json_object_get(name, "options"));
	const char *maxconn = row_text(row, "maxconn");

	if (*maxconn)
		json_object_set_new(row, "maxconn",
				    json_integer(strtoll(maxconn, NULL, 10)));
	json_object_set(row, "name", json_object_get(name, "name"));
	json_object_set(row, "address", json_object_get(name, "name"));
	return row;
}

static void write_names(const struct export *e, const json_t *upstream, size_t n)
{
	json_t *name, *row;
	size_t i;

	json_array_foreach(e->names, i, name) {
		if (strcmp(row_text(name, "upstream"),
			   row_text(upstream, "name")) ||
		    json_object_get(name, "gone"))
			continue;
		if (*row_text(name, "name") == '_') {
			missing(e, &server_object, name, "name", "SRV records");
			continue;
		}
		row = server_of(name);
		write_server(e, upstream, row, n++);
		json_decref(row);
	}
}

static void write_backend(const struct export *e, const json_t *row)
{
	const char *name = row_text(row, "name");
	const json_t *server;
	size_t i;

	fprintf(e->out, "\nbackend %s\n", name);
	write_balance(e, row);
	write_option(e, &upstream_object, row, "retries", "retries");
	fputs("    option redispatch 1\n", e->out);
	write_longest(e, name, "connect-timeout", "connect");
	write_longest(e, name, "connect-timeout", "queue");
	write_longest(e, name, "idle-timeout", "server");
	write_longest(e, name, "fin-timeout", "server-fin");
	write_source(e, row);
	write_keepalive(e, &upstream_object, row, "srvtcpka");
	if (is_checked(row) || json_object_get(row, "eject"))
		write_checks(e, row);
	json_array_foreach(json_object_get(row, "servers"), i, server)
		write_server(e, row, server, i);
	write_names(e, row, i);
	say_missing(e, &upstream_object, row, upstream_missing,
		    ARRAY_SIZE(upstream_missing));
}

static int write_all(struct ctx *ctx, const json_t *running,
		     const json_t *names)
{
	struct export e = { .ctx = ctx, .running = running, .names = names,
			    .out = stdout };
	const json_t *row;
	size_t i;

	fputs("# Made by \"kproxy config export haproxy\".\n"
	      "global\n\ndefaults\n    mode tcp\n", e.out);
	json_array_foreach(running_rows(running, &listener_object), i, row)
		write_frontend(&e, row);
	json_array_foreach(running_rows(running, &upstream_object), i, row)
		write_backend(&e, row);
	return print_flush(ctx);
}

/* Those of a file, as if the kernel had them. */
static json_t *rows_of(const struct config *config)
{
	json_t *running = json_object();
	const struct form *form;
	const struct object *const *object;
	json_t *rows;
	size_t i;

	for (object = config_objects; *object; object++) {
		form = (*object)->form;
		rows = json_array();
		for (i = 0; i < config->n; i++)
			if (config->list[i].object == *object)
				json_array_append(rows, config->list[i].row);
		if (form->section)
			json_object_set(running, form->section, rows);
		else
			view_nest(running_rows(running, form->outer),
				  form->list, rows, form->outer_key);
		json_decref(rows);
	}
	return running;
}

static int load_file(struct ctx *ctx, const char *path, json_t **running,
		     json_t **names)
{
	struct config config;
	int status;

	status = config_read(ctx, path, &config);
	*running = status ? NULL : rows_of(&config);
	*names = json_incref(config.names);
	config_free(&config);
	ctx->file = NULL;
	return status;
}

/* Servers that were made of a name are not exported beside it. */
static int load_running(struct ctx *ctx, json_t **running, json_t **names)
{
	int status = running_load(ctx, running);
	json_t *name, *upstream;
	size_t i, k;

	*names = names_read(ctx);
	json_array_foreach(*names, i, name)
		json_array_foreach(running_rows(*running, &upstream_object), k,
				   upstream)
			if (!strcmp(row_text(upstream, "name"),
				    row_text(name, "upstream")))
				names_drop(json_object_get(upstream, "servers"),
					   name);
	return status;
}

int export_run(struct ctx *ctx, struct args *args)
{
	const char *format = args_next(args), *path = args_next(args);
	json_t *running, *names;
	int status;

	if (!format)
		return ctx_refuse(ctx, "haproxy is missing, try \"kproxy config help\"");
	if (strcmp(format, "haproxy"))
		return ctx_refuse(ctx, "unknown format \"%s\", must be haproxy",
				  format);
	status = args_end(ctx, args);
	if (status)
		return status;
	status = path ? load_file(ctx, path, &running, &names) :
			load_running(ctx, &running, &names);
	if (!status)
		status = write_all(ctx, running, names);
	json_decref(running);
	json_decref(names);
	return status;
}
