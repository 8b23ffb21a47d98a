// SPDX-License-Identifier: GPL-2.0
#include "field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "ctx.h"
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

json_t *field_uint(const struct ctx *ctx, const struct field *field,
		   struct nlattr *attr)
{
	(void)ctx;
	(void)field;
	return json_integer(field_get_uint(attr));
}

json_t *field_string(const struct ctx *ctx, const struct field *field,
		     struct nlattr *attr)
{
	const char *text = attr ? nla_data(attr) : "";

	(void)ctx;
	(void)field;
	return text_json(text, attr ? strnlen(text, nla_len(attr)) : 0);
}

/* What a newer kernel sends beyond our words stays a number. */
json_t *field_word(const struct ctx *ctx, const struct field *field,
		   struct nlattr *attr)
{
	uint64_t value = field_get_uint(attr), i;

	(void)ctx;
	for (i = 0; field->words[i]; i++)
		if (i == value)
			return json_string(field->words[i]);
	return json_sprintf("%" PRIu64, value);
}

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
	/* How an IPv4 client looks to a socket of both families. */
	endpoint_unmap(ep);
}

json_t *field_endpoint(const struct ctx *ctx, const struct field *field,
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

json_t *field_nest(const struct ctx *ctx, const struct field *field,
		   struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	parse_nest(tb, attr);
	fields_show(ctx, field->nested, tb, row);
	return row;
}

json_t *field_by_word(const struct ctx *ctx, const struct field *field,
		      struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();
	int i;

	parse_nest(tb, attr);
	for (i = 1; field->words[i]; i++)
		json_object_set_new(row, field->words[i],
				    field_uint(ctx, field, tb[i]));
	return row;
}

void fields_show(const struct ctx *ctx, const struct field *table,
		 struct nlattr **tb, json_t *row)
{
	const struct field *field;

	for (field = table; field->key; field++)
		json_object_set_new(row, field->key,
				    field->show(ctx, field, tb[field->attr]));
}

json_t *fields_decode(const struct ctx *ctx, const struct field *table,
		      const struct nlattr *head, int len)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	json_t *row = json_object();

	fields_parse(tb, head, len);
	fields_show(ctx, table, tb, row);
	return row;
}
