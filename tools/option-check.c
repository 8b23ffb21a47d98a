// SPDX-License-Identifier: GPL-2.0
/*
 * The options of checks. The kernel knows a text that is sent and a pattern that
 * the reply must match. What they say in HTTP, Redis and so on is known here
 * alone: a preset is written as such a pair, and a pair that a preset would have
 * written is shown as the preset.
 */
#include "option-check.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "ctx.h"
#include "escape.h"
#include "option.h"
#include "request.h"

/* Longest value of check as text. */
#define CHECK_TEXT_MAX (KPROXY_CHECK_SEND_MAX + 16)

struct bytes {
	const char *data;
	size_t len;
};

#define BYTES(text) { (text), sizeof(text) - 1 }

struct preset {
	const char *name;
	struct bytes send;
	struct bytes expect;
};

static const struct preset presets[] = {
	{ "redis", BYTES("PING\r\n"), BYTES("+PONG") },
	{ "smtp", BYTES(""), BYTES("220") },
	/* The greeting of protocol 10, behind the header of its packet. */
	{ "mysql", BYTES(""), BYTES("???\377\n") },
	/* A request for TLS, which every server answers with one byte. */
	{ "postgres", BYTES("\0\0\0\010\004\322\026\057"), BYTES("[SN]") },
	{}
};

static const struct bytes http_expect = BYTES("HTTP/1.[01] [23]");

const char *const check_words[] = {
	[KPROXY_CHECK_OFF] = "off",
	[KPROXY_CHECK_TCP] = "tcp",
	[KPROXY_CHECK_SEND] = "send",
	NULL
};

static bool is_plain(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

/* The request for [HOST][/PATH]; NULL if there is none for it. */
static char *http_request(const char *where)
{
	size_t host = strcspn(where, "/"), size;
	const char *path = where + host;
	char *text = NULL;
	FILE *out;

	if (!is_plain(where, strlen(where)))
		return NULL;
	out = xopen(&text, &size);
	fprintf(out, "GET %s HTTP/1.0\r\n", *path ? path : "/");
	if (host)
		fprintf(out, "Host: %.*s\r\n", (int)host, where);
	fputs("\r\n", out);
	xclose(out);
	return text;
}

/*
 * What http_request() was called with: "" for the root of no host. False if it
 * does not make this request of anything.
 */
static bool http_where(const struct bytes *send, char *where)
{
	char path[CHECK_TEXT_MAX] = "", host[CHECK_TEXT_MAX] = "", *again;
	char text[CHECK_TEXT_MAX];
	bool same;

	if (send->len >= sizeof(text))
		return false;
	memcpy(text, send->data, send->len);
	text[send->len] = '\0';
	if (sscanf(text, "GET %s HTTP/1.0\r\nHost: %s", path, host) < 1)
		return false;
	snprintf(where, CHECK_TEXT_MAX, "%s%s", host,
		 strcmp(path, "/") ? path : "");
	again = http_request(where);
	same = again && strlen(again) == send->len &&
	       !memcmp(again, send->data, send->len);
	free(again);
	return same;
}

static bool same(const struct bytes *a, const struct bytes *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static struct bytes attr_bytes(const struct nlattr *attr)
{
	if (!attr)
		return (struct bytes){};
	return (struct bytes){ nla_data(attr), nla_len(attr) };
}

void option_check_show(struct nlattr **tb, json_t *row)
{
	struct bytes send = attr_bytes(tb[KPROXY_A_UPSTREAM_CHECK_SEND]);
	struct bytes expect = attr_bytes(tb[KPROXY_A_UPSTREAM_CHECK_EXPECT]);
	char text[CHECK_TEXT_MAX + 8], where[CHECK_TEXT_MAX];
	const struct preset *preset;

	for (preset = presets; preset->name; preset++)
		if (same(&send, &preset->send) &&
		    same(&expect, &preset->expect))
			break;
	if (preset->name)
		snprintf(text, sizeof(text), "%s", preset->name);
	else if (same(&expect, &http_expect) && http_where(&send, where))
		snprintf(text, sizeof(text), "http%s%s", *where ? " " : "",
			 where);
	else
		return;
	json_object_set_new(row, "check", json_string(text));
	json_object_del(row, "check-send");
	json_object_del(row, "check-expect");
}

/* Text that was put into the request before, other than an empty one. */
static bool has_text(const struct request *req, uint16_t attr)
{
	struct nlattr *nla = nlmsg_find_attr(nlmsg_hdr(req->msg), GENL_HDRLEN,
					     attr);

	return nla && nla_len(nla);
}

static int put_pair(const struct ctx *ctx, const struct option_spec *option,
		    const char *text, struct request *req,
		    const struct bytes *send, const struct bytes *expect)
{
	if (has_text(req, KPROXY_A_UPSTREAM_CHECK_SEND) ||
	    has_text(req, KPROXY_A_UPSTREAM_CHECK_EXPECT))
		return ctx_refuse(ctx, "%s %s: check-send and check-expect go with check send",
				  option->name, text);
	request_u32(req, option->attr, option->name, text, KPROXY_CHECK_SEND);
	request_binary(req, KPROXY_A_UPSTREAM_CHECK_SEND, option->name, text,
		       send->data, send->len);
	request_binary(req, KPROXY_A_UPSTREAM_CHECK_EXPECT, option->name, text,
		       expect->data, expect->len);
	return STATUS_DONE;
}

static int put_http(const struct ctx *ctx, const struct option_spec *option,
		    const char *text, struct request *req)
{
	const char *where = text + strlen("http");
	struct bytes send;
	int status;

	where += *where == ' ';
	send.data = http_request(where);
	if (!send.data)
		return ctx_refuse(ctx, "%s %s: must be http [HOST][/PATH]",
				  option->name, text);
	send.len = strlen(send.data);
	if (send.len > KPROXY_CHECK_SEND_MAX)
		status = ctx_refuse(ctx, "%s http: the request is longer than %d bytes",
				    option->name, KPROXY_CHECK_SEND_MAX);
	else
		status = put_pair(ctx, option, text, req, &send, &http_expect);
	free((char *)send.data);
	return status;
}

static bool is_http(const char *text)
{
	return !strncmp(text, "http", 4) && (!text[4] || text[4] == ' ');
}

static int put_check(const struct ctx *ctx, const struct option_spec *option,
		     const char *text, struct request *req)
{
	const struct preset *preset;
	uint32_t i;

	for (i = 0; check_words[i]; i++) {
		if (strcmp(check_words[i], text))
			continue;
		request_u32(req, option->attr, option->name, text, i);
		return STATUS_DONE;
	}
	if (is_http(text))
		return put_http(ctx, option, text, req);
	for (preset = presets; preset->name; preset++)
		if (!strcmp(preset->name, text))
			return put_pair(ctx, option, text, req, &preset->send,
					&preset->expect);
	return ctx_refuse(ctx, "%s %s: must be off, tcp, send, http, redis, smtp, mysql or postgres",
			  option->name, *text ? text : "\"\"");
}

static json_t *get_check(const struct option_spec *option, struct nlattr *attr)
{
	uint32_t value = nla_get_u32(attr);

	if (value == option->def)
		return NULL;
	if (value < sizeof(check_words) / sizeof(*check_words) - 1)
		return json_string(check_words[value]);
	return json_sprintf("%u", value);
}

static void format_check(const struct option_spec *option, uint64_t value,
			 char *buf)
{
	(void)option;
	snprintf(buf, OPTION_TEXT_MAX, "%s", check_words[value]);
}

/* "http" may be followed by a word that says where. */
static bool check_goes_on(const char *text)
{
	return !strcmp(text, "http");
}

const struct option_type option_check = {
	.put = put_check,
	.get = get_check,
	.format = format_check,
	.goes_on = check_goes_on,
};

static int put_bytes(const struct ctx *ctx, const struct option_spec *option,
		     const char *text, struct request *req, bool pattern)
{
	char *data = xstrdup(text);
	int status = STATUS_DONE;
	const char *why;
	size_t len;

	why = escape_read(text, pattern, data, &len);
	if (why)
		status = ctx_refuse(ctx, "%s: %s", option->name, why);
	else if (len > option->max)
		status = ctx_refuse(ctx, "%s: longer than %u bytes",
				    option->name, (unsigned int)option->max);
	else if (len && has_text(req, option->attr))
		status = ctx_refuse(ctx, "%s: needs check send", option->name);
	/* The default leaves a preset's alone. */
	else if (len || !has_text(req, option->attr))
		request_binary(req, option->attr, option->name, text, data, len);
	free(data);
	return status;
}

static int put_text(const struct ctx *ctx, const struct option_spec *option,
		    const char *text, struct request *req)
{
	return put_bytes(ctx, option, text, req, false);
}

static int put_pattern(const struct ctx *ctx, const struct option_spec *option,
		       const char *text, struct request *req)
{
	return put_bytes(ctx, option, text, req, true);
}

static json_t *get_bytes(struct nlattr *attr, bool pattern)
{
	json_t *value = NULL;
	char *text;

	text = escape_write(nla_data(attr), nla_len(attr), pattern);
	if (*text)
		value = json_string(text);
	free(text);
	return value;
}

static json_t *get_text(const struct option_spec *option, struct nlattr *attr)
{
	(void)option;
	return get_bytes(attr, false);
}

static json_t *get_pattern(const struct option_spec *option, struct nlattr *attr)
{
	(void)option;
	return get_bytes(attr, true);
}

static void format_text(const struct option_spec *option, uint64_t value,
			char *buf)
{
	(void)option;
	(void)value;
	*buf = '\0';
}

const struct option_type option_text = {
	.put = put_text,
	.get = get_text,
	.format = format_text,
};

const struct option_type option_pattern = {
	.put = put_pattern,
	.get = get_pattern,
	.format = format_text,
};
