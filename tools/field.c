// SPDX-License-Identifier: GPL-2.0
#include "field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "ctx.h"
#include "print.h"
#include "text.h"

uint64_t field_get_uint(const struct nlattr *attr)
{
	switch (attr ? nla_len(attr) : 0) {
	case sizeof(uint8_t):
		return nla_get_u8(attr);
	case sizeof(uint16_t):
		return nla_get_u16(attr);
	case sizeof(uint32_t):
		return nla_get_u32(attr);
	case sizeof(uint64_t):
		return nla_get_u64(attr);
	default:
		return 0;
	}
}

void fields_parse(struct nlattr **tb, const struct nlattr *head, int len)
{
	nla_parse(tb, FIELD_ATTR_MAX, (struct nlattr *)head, len, NULL);
}

static void parse_nest(struct nlattr **tb, const struct nlattr *attr)
{
	if (attr)
		fields_parse(tb, nla_data(attr), nla_len(attr));
	else
		memset(tb, 0, (FIELD_ATTR_MAX + 1) * sizeof(*tb));
}

static json_t *show_number(const struct ctx *ctx, const struct field *field,
			   struct nlattr *attr)
{
	(void)ctx;
	(void)field;
	return json_integer(field_get_uint(attr));
}

const struct field_type field_number = {
	.show = show_number,
	.right = true,
};

const struct field_type field_bytes = {
	.show = show_number,
	.text = print_bytes,
	.right = true,
	.exact = true,
};

const struct field_type field_us = {
	.show = show_number,
	.text = print_us,
	.right = true,
	.samples = SAMPLES_SECONDS,
};

const struct field_type field_age_ms = {
	.show = show_number,
	.text = print_age,
	.right = true,
};

static json_t *show_string(const struct ctx *ctx, const struct field *field,
			   struct nlattr *attr)
{
	const char *text = attr ? nla_data(attr) : "";

	(void)ctx;
	(void)field;
	return text_json(text, attr ? strnlen(text, nla_len(attr)) : 0);
}

const struct field_type field_string = { .show = show_string };

/* A value that a newer kernel has and @words lacks stays a number. */
static json_t *show_word(const struct ctx *ctx, const struct field *field,
			 struct nlattr *attr)
{
	uint64_t value = field_get_uint(attr), i;

	(void)ctx;
	for (i = 0; field->words[i]; i++)
		if (i == value)
			return json_string(field->words[i]);
	return json_sprintf("%" PRIu64, value);
}

const struct field_type field_word = { .show = show_word };

static void get_endpoint(struct endpoint *ep, const struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1], *v4, *v6;

	memset(ep, 0, sizeof(*ep));
	parse_nest(tb, attr);
	v4 = tb[KPROXY_A_ENDPOINT_IPV4];
	v6 = tb[KPROXY_A_ENDPOINT_IPV6];
	if (v4 && nla_len(v4) == sizeof(ep->v4)) {
		ep->family = AF_INET;
		memcpy(&ep->v4, nla_data(v4), sizeof(ep->v4));
	} else if (v6 && nla_len(v6) == sizeof(ep->v6)) {
		ep->family = AF_INET6;
		memcpy(&ep->v6, nla_data(v6), sizeof(ep->v6));
	}
	ep->port = field_get_uint(tb[KPROXY_A_ENDPOINT_PORT]);
	ep->scope = field_get_uint(tb[KPROXY_A_ENDPOINT_SCOPE]);
	/* A dual-stack socket has IPv4 peers as mapped addresses. */
	endpoint_unmap(ep);
}

static json_t *show_endpoint(const struct ctx *ctx, const struct field *field,
			     struct nlattr *attr)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint ep;

	(void)field;
	if (!attr)
		return json_string("");
	get_endpoint(&ep, attr);
	endpoint_format(ctx->ifd, &ep, text);
	return json_string(text);
}

const struct field_type field_endpoint = { .show = show_endpoint };

static json_t *show_nest(const struct ctx *ctx, const struct field *field,
			 struct nlattr *attr)
{
	return fields_decode_nest(ctx, field->nested, field->nested_scope,
				  attr);
}

const struct field_type field_nest = { .show = show_nest };

static json_t *show_by_word(const struct ctx *ctx, const struct field *field,
			    struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();
	int i;

	parse_nest(tb, attr);
	for (i = 1; field->words[i]; i++)
		json_object_set_new(row, field->words[i],
				    show_number(ctx, field, tb[i]));
	return row;
}

const struct field_type field_by_word = {
	.show = show_by_word,
	.text = print_counts,
	.samples = SAMPLES_BY_WORD,
};

void fields_show(const struct ctx *ctx, const struct field *table,
		 unsigned int scope, struct nlattr **tb, json_t *row)
{
	const struct field *field;

	for (field = table; field->key; field++) {
		if (!field_is_in(field, scope) ||
		    (field->stats && !ctx->stats) ||
		    (field->optional && !tb[field->attr]))
			continue;
		json_object_set_new(row, field->key,
				    field->type->show(ctx, field,
						      tb[field->attr]));
	}
}

json_t *fields_decode(const struct ctx *ctx, const struct field *table,
		      unsigned int scope, const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	fields_parse(tb, head, len);
	fields_show(ctx, table, scope, tb, row);
	return row;
}

json_t *fields_decode_nest(const struct ctx *ctx, const struct field *table,
			   unsigned int scope, const struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	parse_nest(tb, attr);
	fields_show(ctx, table, scope, tb, row);
	return row;
}
