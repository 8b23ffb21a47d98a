// SPDX-License-Identifier: GPL-2.0
/* The option source: where an upstream connects from. */
#include "option.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "alloc.h"
#include "ctx.h"
#include "field.h"
#include "request.h"

static const char *const words[] = {
	[KPROXY_SOURCE_DEFAULT] = "default",
	[KPROXY_SOURCE_CLIENT] = "client",
};

static int refuse(const struct ctx *ctx, const struct option_spec *option,
		  const char *text, const char *why)
{
	return ctx_refuse(ctx, "%s %s: %s", option->name,
			  *text ? text : "\"\"", why);
}

static int put_address(const struct ctx *ctx, const struct option_spec *option,
		       const char *text, struct request *req)
{
	struct endpoint ep;
	const char *why;
	uint8_t len;

	why = strchr(text, '/') ?
		"an address of this host is one without a length" :
		endpoint_parse_prefix(ctx->ifd, text, &ep, &len);
	if (why)
		return refuse(ctx, option, text, why);
	request_endpoint(req, KPROXY_A_SOURCE_ADDRESS, option->name, text, &ep);
	return STATUS_DONE;
}

static int put_addresses(const struct ctx *ctx,
			 const struct option_spec *option, const char *list,
			 struct request *req)
{
	char *copy = xstrdup(list), *rest = copy, *text;
	int status = STATUS_DONE;

	while (!status && (text = strsep(&rest, ",")))
		status = put_address(ctx, option, text, req);
	free(copy);
	return status;
}

static int put_source(const struct ctx *ctx, const struct option_spec *option,
		      const char *text, struct request *req)
{
	struct nlattr *nest;
	int status;
	uint32_t i;

	nest = request_nest(req, option->attr, option->name, text);
	if (!nest)
		return STATUS_DONE;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i] && !strcmp(text, words[i]))
			break;
	if (i < sizeof(words) / sizeof(*words)) {
		request_u32(req, KPROXY_A_SOURCE_MODE, option->name, text, i);
		status = STATUS_DONE;
	} else {
		/* A file is compared with the reply of the kernel, which has it. */
		request_u32(req, KPROXY_A_SOURCE_MODE, option->name, text,
			    KPROXY_SOURCE_ADDRESS);
		status = put_addresses(ctx, option, text, req);
	}
	request_nest_end(req, nest);
	return status;
}

/* A scope stays a number here. */
static void append_address(char *buf, size_t size, const struct nlattr *attr)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1], *v4, *v6;
	char text[INET6_ADDRSTRLEN] = "";
	size_t len = strlen(buf);
	uint64_t scope;

	fields_parse(tb, nla_data(attr), nla_len(attr));
	v4 = tb[KPROXY_A_ENDPOINT_IPV4];
	v6 = tb[KPROXY_A_ENDPOINT_IPV6];
	if (v4 && nla_len(v4) == sizeof(struct in_addr))
		inet_ntop(AF_INET, nla_data(v4), text, sizeof(text));
	else if (v6 && nla_len(v6) == sizeof(struct in6_addr))
		inet_ntop(AF_INET6, nla_data(v6), text, sizeof(text));
	len += snprintf(buf + len, size - len, "%s%s", len ? "," : "", text);
	scope = field_get_uint(tb[KPROXY_A_ENDPOINT_SCOPE]);
	if (scope)
		snprintf(buf + len, size - len, "%%%u", (unsigned int)scope);
}

static json_t *get_source(const struct option_spec *option, struct nlattr *attr)
{
	char list[KPROXY_SOURCES_MAX * ENDPOINT_TEXT_MAX] = "";
	struct nlattr *tb[FIELD_ATTR_MAX + 1], *one;
	uint64_t mode;
	int rem;

	(void)option;
	fields_parse(tb, nla_data(attr), nla_len(attr));
	mode = field_get_uint(tb[KPROXY_A_SOURCE_MODE]);
	if (mode == KPROXY_SOURCE_DEFAULT)
		return NULL;
	if (mode == KPROXY_SOURCE_CLIENT)
		return json_string(words[mode]);
	nla_for_each_nested(one, attr, rem)
		if (nla_type(one) == KPROXY_A_SOURCE_ADDRESS &&
		    strlen(list) < sizeof(list) - ENDPOINT_TEXT_MAX)
			append_address(list, sizeof(list), one);
	return json_string(list);
}

static void format_source(const struct option_spec *option, uint64_t value,
			  char *buf)
{
	(void)option;
	snprintf(buf, OPTION_TEXT_MAX, "%s", words[value]);
}

const struct option_type option_source = {
	.put = put_source,
	.get = get_source,
	.format = format_source,
};
