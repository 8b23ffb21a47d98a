// SPDX-License-Identifier: GPL-2.0
/* The option keepalive: three numbers in one word, or "off". */
#include "option.h"

#include <inttypes.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "ctx.h"
#include "field.h"
#include "request.h"
#include "token.h"

/* The attributes of the nest are numbered from 1 on. */
enum { IDLE, INTERVAL, COUNT, NUMBERS };

/* Cut the text up to the next comma out of @rest. */
static const char *next_part(char **rest)
{
	const char *part = strsep(rest, ",");

	return part ? part : "";
}

static const char *parse_seconds(const char *text, uint32_t *seconds)
{
	const char *why;
	uint64_t ms;

	why = token_time(text, &ms);
	if (why)
		return why;
	if (!ms || ms % 1000 || ms / 1000 > KEEPALIVE_SECONDS_MAX)
		return "times must be 1s to 32767s, in whole seconds";
	*seconds = ms / 1000;
	return NULL;
}

static const char *parse_probes(const char *text, uint32_t *count)
{
	uint64_t value;

	if (token_number(text, &value) || !value || value > KEEPALIVE_COUNT_MAX)
		return "count must be 1 to 127";
	*count = value;
	return NULL;
}

static const char *parse(const char *text, uint32_t *numbers)
{
	char buf[OPTION_TEXT_MAX], *rest = buf;
	const char *why;

	if ((size_t)snprintf(buf, sizeof(buf), "%s", text) >= sizeof(buf) ||
	    !strchr(text, ','))
		return "must be IDLE,INTERVAL,COUNT, as 60s,10s,6, or off";
	why = parse_seconds(next_part(&rest), &numbers[IDLE]);
	if (!why)
		why = parse_seconds(next_part(&rest), &numbers[INTERVAL]);
	if (!why)
		why = parse_probes(next_part(&rest), &numbers[COUNT]);
	if (!why && rest)
		why = "must have three parts, as 60s,10s,6";
	return why;
}

static int put_keepalive(const struct ctx *ctx,
			 const struct option_spec *option, const char *text,
			 struct request *req)
{
	uint32_t numbers[NUMBERS] = {};
	bool off = !strcmp(text, "off");
	const char *why;

	if (!off) {
		why = parse(text, numbers);
		if (why)
			return ctx_refuse(ctx, "%s %s: %s", option->name,
					  *text ? text : "\"\"", why);
	}
	request_numbers(req, option->attr, option->name, text, numbers,
			off ? 1 : NUMBERS);
	return STATUS_DONE;
}

static json_t *get_keepalive(const struct option_spec *option,
			     struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	char text[OPTION_TEXT_MAX];
	uint64_t idle;

	(void)option;
	fields_parse(tb, nla_data(attr), nla_len(attr));
	idle = field_get_uint(tb[KPROXY_A_KEEPALIVE_IDLE]);
	if (!idle)
		return json_string("off");
	snprintf(text, sizeof(text), "%" PRIu64 "s,%" PRIu64 "s,%" PRIu64, idle,
		 field_get_uint(tb[KPROXY_A_KEEPALIVE_INTERVAL]),
		 field_get_uint(tb[KPROXY_A_KEEPALIVE_COUNT]));
	return strcmp(text, KEEPALIVE_DEFAULT) ? json_string(text) : NULL;
}

static void format_keepalive(const struct option_spec *option, uint64_t value,
			     char *buf)
{
	(void)option;
	(void)value;
	snprintf(buf, OPTION_TEXT_MAX, "%s", KEEPALIVE_DEFAULT);
}

const struct option_type option_keepalive = {
	.put = put_keepalive,
	.get = get_keepalive,
	.format = format_keepalive,
};
