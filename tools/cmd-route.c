// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "args.h"
#include "cmd.h"
#include "config.h"
#include "ctx.h"
#include "field.h"
#include "print.h"
#include "request.h"
#include "token.h"
#include "view.h"

static int refuse_missing(const struct ctx *ctx, const char *what)
{
	return ctx_refuse(ctx, "%s is missing, try \"kproxy route help\"",
			  what);
}

/* The listener of the route; messages name it from now on. */
static int build_listener(struct ctx *ctx, struct args *args,
			  struct request *req)
{
	const char *name = args_next(args), *why;

	if (!name)
		return refuse_missing(ctx, "LISTENER");
	ctx->name = name;
	why = token_name(name);
	if (why)
		return ctx_refuse(ctx, "%s", why);
	request_string(req, KPROXY_A_ROUTE_LISTENER, "listener", name);
	return STATUS_DONE;
}

static int build_sni(struct ctx *ctx, const char *text, struct request *req)
{
	char sni[KPROXY_SNI_MAX + 1];
	const char *why;

	why = token_sni(text, sni);
	if (why)
		return ctx_refuse(ctx, "sni %s: %s", *text ? text : "\"\"",
				  why);
	request_text(req, KPROXY_A_ROUTE_SNI, "sni", text, sni);
	return STATUS_DONE;
}

static int build_alpn(struct ctx *ctx, const char *text, struct request *req)
{
	size_t len = strlen(text);

	if (!len || len > KPROXY_ALPN_MAX)
		return ctx_refuse(ctx, "alpn %s: a protocol is 1 to %d bytes",
				  len ? text : "\"\"", KPROXY_ALPN_MAX);
	request_string(req, KPROXY_A_ROUTE_ALPN, "alpn", text);
	return STATUS_DONE;
}

/* Clear the bits of an address behind its prefix. */
static void mask(void *addr, size_t size, uint8_t len)
{
	uint8_t *bytes = addr;
	size_t i;

	for (i = 0; i < size; i++) {
		if (len >= 8 * (i + 1))
			continue;
		bytes[i] &= len > 8 * i ? 0xff << (8 * (i + 1) - len) : 0;
	}
}

static int build_from(struct ctx *ctx, const char *text, struct request *req)
{
	struct endpoint ep;
	const char *why;
	uint8_t len;

	why = endpoint_parse_prefix(ctx->ifd, text, &ep, &len);
	if (!why && ep.scope)
		why = "a network has no scope";
	if (!why && ep.family == AF_INET6 && !len)
		why = "all clients need no network";
	if (why)
		return ctx_refuse(ctx, "from %s: %s", *text ? text : "\"\"",
				  why);
	if (ep.family == AF_INET)
		mask(&ep.v4, sizeof(ep.v4), len);
	else
		mask(&ep.v6, sizeof(ep.v6), len);
	request_endpoint(req, KPROXY_A_ROUTE_FROM, "from", text, &ep);
	request_u32(req, KPROXY_A_ROUTE_FROM_PREFIX, "from", text, len);
	return STATUS_DONE;
}

static int build_port(struct ctx *ctx, const char *text, struct request *req)
{
	uint16_t port;
	const char *why;

	why = token_port(text, &port);
	if (why)
		return ctx_refuse(ctx, "port %s: %s", *text ? text : "\"\"",
				  why);
	request_u32(req, KPROXY_A_ROUTE_PORT, "port", text, port);
	return STATUS_DONE;
}

/* The criteria that identify a route of a listener. */
static const struct criterion {
	const char *name;
	const char *value;
	int (*build)(struct ctx *ctx, const char *text, struct request *req);
} criteria[] = {
	{ "sni", "PATTERN", build_sni },
	{ "alpn", "NAME", build_alpn },
	{ "from", "CIDR", build_from },
	{ "port", "N", build_port },
};

#define N_CRITERIA (sizeof(criteria) / sizeof(*criteria))
#define UPSTREAM (1U << N_CRITERIA)

/*
 * One pair of words, which may come in any order, as in a file. @seen gets a bit for
 * each that was given, and may have none but those of @known.
 */
static int build_pair(struct ctx *ctx, struct args *args, struct request *req,
		      unsigned int known, unsigned int *seen)
{
	const char *key = args_next(args), *text;
	unsigned int bit;
	size_t i;

	for (i = 0; i < N_CRITERIA; i++)
		if (!strcmp(criteria[i].name, key))
			break;
	if (i == N_CRITERIA && strcmp(key, "upstream"))
		i++;
	bit = 1U << i;
	if (!(known & bit))
		return ctx_refuse(ctx, "unexpected \"%s\", must be sni, alpn, from%s",
				  key, known & UPSTREAM ?
				  ", port or upstream" : " or port");
	if (*seen & bit)
		return ctx_refuse(ctx, "\"%s\" is given twice", key);
	*seen |= bit;
	if (bit == UPSTREAM)
		return args_upstream(ctx, args, req, KPROXY_A_ROUTE_UPSTREAM);
	text = args_next(args);
	if (!text)
		return refuse_missing(ctx, criteria[i].value);
	return criteria[i].build(ctx, text, req);
}

/* The listener and pairs of words, some of which must be of criteria. */
static int build_pairs(struct ctx *ctx, struct args *args, struct request *req,
		       unsigned int known, unsigned int *seen)
{
	int status;

	*seen = 0;
	status = build_listener(ctx, args, req);
	while (!status && args->argc)
		status = build_pair(ctx, args, req, known, seen);
	if (status || *seen & ~UPSTREAM)
		return status;
	args_at_whole(args);
	return refuse_missing(ctx, "sni PATTERN, alpn NAME, from CIDR or port N");
}

static int build_add(struct ctx *ctx, struct args *args, struct request *req)
{
	unsigned int seen;
	int status;

	status = build_pairs(ctx, args, req, 2 * UPSTREAM - 1, &seen);
	if (status || seen & UPSTREAM)
		return status;
	args_at_whole(args);
	return refuse_missing(ctx, "upstream NAME");
}

static int build_del(struct ctx *ctx, struct args *args, struct request *req)
{
	unsigned int seen;

	return build_pairs(ctx, args, req, UPSTREAM - 1, &seen);
}

static int build_show(struct ctx *ctx, struct args *args, struct request *req)
{
	req->dump = true;
	return args->argc ? build_listener(ctx, args, req) : STATUS_DONE;
}

/* The address of a network, without the length of its prefix. */
static json_t *show_network(const struct ctx *ctx, const struct field *field,
			    struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1], *v4, *v6;
	char text[INET6_ADDRSTRLEN] = "";

	(void)ctx;
	(void)field;
	fields_parse(tb, nla_data(attr), nla_len(attr));
	v4 = tb[KPROXY_A_ENDPOINT_IPV4];
	v6 = tb[KPROXY_A_ENDPOINT_IPV6];
	if (v4 && nla_len(v4) == sizeof(struct in_addr))
		inet_ntop(AF_INET, nla_data(v4), text, sizeof(text));
	else if (v6 && nla_len(v6) == sizeof(struct in6_addr))
		inet_ntop(AF_INET6, nla_data(v6), text, sizeof(text));
	return json_string(text);
}

static const struct field_type field_network = { .show = show_network };

static const struct field fields[] = {
	{ .key = "listener", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_LISTENER, .title = "LISTENER" },
	{ .key = "sni", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_SNI, .optional = true, .title = "SNI" },
	{ .key = "upstream", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_UPSTREAM, .title = "UPSTREAM" },
	{ .key = "alpn", .type = &field_string,
	  .attr = KPROXY_A_ROUTE_ALPN, .optional = true, .title = "ALPN" },
	{ .key = "from", .type = &field_network,
	  .attr = KPROXY_A_ROUTE_FROM, .optional = true, .title = "FROM" },
	{ .key = "port", .type = &field_number,
	  .attr = KPROXY_A_ROUTE_PORT, .optional = true, .title = "PORT" },
	{}
};

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	char from[INET6_ADDRSTRLEN + 8];
	json_t *row = fields_decode(ctx, fields, 0, head, len);
	const char *addr = json_string_value(json_object_get(row, "from"));

	if (!addr)
		return row;
	fields_parse(tb, head, len);
	snprintf(from, sizeof(from), "%s/%u", addr, (unsigned int)
		 field_get_uint(tb[KPROXY_A_ROUTE_FROM_PREFIX]));
	json_object_set_new(row, "from", json_string(from));
	return row;
}

static const struct column columns[] = { { .fields = fields }, {} };

static const struct table table = { .columns = columns };

const struct view route_view = {
	.cmd = KPROXY_CMD_ROUTE_GET,
	.build = build_show,
	.decode = decode,
	.table = &table,
};

static int check(struct ctx *ctx, const struct definition *d,
		 const struct beside *beside)
{
	struct origin from = {};
	const char *text = NULL;
	size_t i;

	for (i = 0; !text && i < N_CRITERIA; i++)
		text = config_option(d, criteria[i].name, &from);
	config_blame(ctx, d, &from, 0);
	if (beside->again)
		return ctx_refuse(ctx, "%s %s: the listener already has a route for it",
				  criteria[i - 1].name, text);
	if (beside->n >= KPROXY_ROUTES_MAX)
		return ctx_refuse(ctx, "%s %s: a listener has at most %d routes",
				  criteria[i - 1].name, text,
				  KPROXY_ROUTES_MAX);
	return STATUS_DONE;
}

static const char *const keys[] = { "sni", "alpn", "from", "port", NULL };

static const struct form form = {
	.view = &route_view,
	.outer = &listener_object,
	.list = "routes",
	.outer_key = "listener",
	.keys = keys,
	.refers = &upstream_object,
	.check = check,
};

static const struct command commands[] = {
	{ .name = "show", .view = &route_view },
	{ .name = "add", .cmd = KPROXY_CMD_ROUTE_ADD, .build = build_add },
	{ .name = "delete", .cmd = KPROXY_CMD_ROUTE_DEL, .build = build_del },
	{}
};

const struct object route_object = {
	.name = "route",
	.usage = "  kproxy route add LISTENER [sni PATTERN] [alpn NAME] [from CIDR] [port N] upstream NAME\n"
		 "  kproxy route del LISTENER [sni PATTERN] [alpn NAME] [from CIDR] [port N]\n"
		 "  kproxy route show [LISTENER]\n",
	.commands = commands,
	.form = &form,
};
