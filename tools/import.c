// SPDX-License-Identifier: GPL-2.0
/*
 * Converts configurations of other programs to ours. Each program has a
 * file import-NAME.c, which reads its words; what they all need is here. What
 * is made here passes "config check": each value is checked before it is set.
 */
#include "import.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "config-save.h"
#include "ctx.h"
#include "names.h"
#include "option.h"
#include "print.h"
#include "text-file.h"
#include "token.h"

/* A word of a note is cut to this, so that a note stays readable. */
#define WORD_MAX 60

static const struct format {
	const char *name;
	void (*read)(struct import *im, char *text);
} formats[] = {
	{ "haproxy", import_haproxy },
	{ "nginx", import_nginx },
	{ "ipvsadm", import_ipvsadm },
};

static char *vtext(const char *format, va_list ap)
{
	char *text;

	if (vasprintf(&text, format, ap) < 0)
		alloc_failed();
	return text;
}

char *import_text(const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	text = vtext(format, ap);
	va_end(ap);
	return text;
}

static void note(struct import *im, unsigned int line, const char *text)
{
	char *key = import_text("%u %s", line, text);

	/* Invalid UTF-8 cannot be a key; it is shown as it was read. */
	if (!json_object_get(im->notes, key))
		json_object_set_new_nocheck(im->notes, key, json_true());
	free(key);
}

void import_note(struct import *im, unsigned int line, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = vtext(fmt, ap);
	va_end(ap);
	note(im, line, text);
	free(text);
}

void import_refuse(struct import *im, unsigned int line, char *const *words,
		   size_t n, const char *why)
{
	char *text = NULL;
	size_t size, i;
	FILE *out;

	out = xopen(&text, &size);
	for (i = 0; i < n; i++)
		fprintf(out, "%s%.*s", i ? " " : "", WORD_MAX, words[i]);
	fprintf(out, ": cannot be carried over%s%s", why ? ": " : "",
		why ? why : "");
	xclose(out);
	note(im, line, text);
	free(text);
}

/* A line, what is said about it, and how much was said before. */
struct said {
	unsigned long line;
	const char *text;
	size_t order;
};

static int said_cmp(const void *a, const void *b)
{
	const struct said *p = a, *q = b;

	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	return p->order < q->order ? -1 : 1;
}

static void say_notes(struct import *im)
{
	size_t n = json_object_size(im->notes), i = 0;
	struct said *list = xgrow(NULL, n + 1, sizeof(*list));
	const char *key;
	json_t *value;
	char *end;

	json_object_foreach(im->notes, key, value) {
		list[i].line = strtoul(key, &end, 10);
		list[i].text = end + 1;
		list[i].order = i;
		i++;
	}
	qsort(list, n, sizeof(*list), said_cmp);
	for (i = 0; i < n; i++) {
		im->ctx->place.line = list[i].line;
		ctx_warn(im->ctx, list[i].text);
	}
	free(list);
}

static const struct option_spec *find_option(const struct object *object,
					     const char *name)
{
	const struct option_spec *option;

	for (option = object->options; option->name; option++)
		if (!strcmp(option->name, name))
			return option;
	return NULL;
}

bool import_knows(const struct object *object, const char *name,
		  const char *word)
{
	const struct option_spec *option = find_option(object, name);
	size_t i;

	if (!option || !word)
		return option;
	for (i = 0; option->words && option->words[i]; i++)
		if (!strcmp(option->words[i], word))
			return true;
	return false;
}

void import_number(struct import *im, unsigned int line, json_t *row,
		   const struct object *object, const char *name,
		   uint64_t value)
{
	const struct option_spec *option = find_option(object, name);
	char given[OPTION_TEXT_MAX], used[OPTION_TEXT_MAX];
	uint64_t limited = value;

	if (value < option->min)
		limited = option->min;
	if (value > option->max)
		limited = option->max;
	option->type->format(option, value, given);
	option->type->format(option, limited, used);
	if (limited != value)
		import_note(im, line, "%s %s is out of range, %s is used", name,
			    given, used);
	if (limited == option->def)
		json_object_del(row, name);
	else if (option->type->integer)
		json_object_set_new(row, name, json_integer(limited));
	else
		json_object_set_new(row, name, json_string(used));
}

const char *import_keepalive(json_t *row, uint64_t idle, uint64_t interval,
			     uint64_t count)
{
	char *text;

	/* Whole seconds; what is not 0 stays so. */
	idle = (idle + 999) / 1000;
	interval = (interval + 999) / 1000;
	if (!idle || idle > KEEPALIVE_SECONDS_MAX || !interval ||
	    interval > KEEPALIVE_SECONDS_MAX)
		return "its times are 1s to 32767s";
	if (!count || count > KEEPALIVE_COUNT_MAX)
		return "count must be 1 to 127";
	text = import_text("%" PRIu64 "s,%" PRIu64 "s,%" PRIu64, idle,
			   interval, count);
	if (strcmp(text, KEEPALIVE_DEFAULT))
		json_object_set_new(row, "keepalive", json_string(text));
	free(text);
	return NULL;
}

/* Make @wanted a name that is valid and free; for free(). */
static char *free_name(const json_t *section, const char *wanted)
{
	char base[KPROXY_NAME_MAX + 1], *name;
	unsigned int n = 1;
	size_t i;

	snprintf(base, sizeof(base), "%s", *wanted ? wanted : "unnamed");
	for (i = 0; base[i]; i++)
		if (!strchr(TOKEN_NAME_CHARS, base[i]))
			base[i] = '-';
	name = import_text("%s", base);
	while (json_object_get(section, name)) {
		free(name);
		name = import_text("%.52s-%u", base, ++n);
	}
	return name;
}

static json_t *new_row(json_t *section, const char *wanted, const char **key)
{
	char *name = free_name(section, wanted);
	json_t *row = json_object();

	json_object_set_new(section, name, row);
	*key = json_object_iter_key(json_object_iter_at(section, name));
	free(name);
	return row;
}

json_t *import_upstream(struct import *im, const char *name, const char **key)
{
	json_t *row = new_row(im->upstreams, name, key);

	json_object_set_new(row, "servers", json_array());
	return row;
}

json_t *import_listener(struct import *im, const char *name, const char **key)
{
	json_t *row = new_row(im->listeners, name, key);

	json_object_set_new(row, "listen", json_array());
	return row;
}

static bool same_options(const json_t *a, const json_t *b)
{
	json_t *left = json_copy((json_t *)a), *right = json_copy((json_t *)b);
	bool same;

	json_object_del(left, "listen");
	json_object_del(right, "listen");
	same = json_equal(left, right);
	json_decref(left);
	json_decref(right);
	return same;
}

json_t *import_variant(struct import *im, struct import_variants *made,
		       const char *name, json_t *want, const char **key)
{
	json_t *row;
	size_t i;

	for (i = 0; i < made->n; i++) {
		*key = made->keys[i];
		row = json_object_get(im->listeners, *key);
		if (same_options(row, want))
			return row;
	}
	row = import_listener(im, name, key);
	json_object_update(row, want);
	made->keys = xgrow(made->keys, made->n + 1, sizeof(*made->keys));
	made->keys[made->n++] = *key;
	return row;
}

bool import_variants_end(struct import *im, struct import_variants *made)
{
	bool any = false;
	json_t *row;
	size_t i;

	for (i = 0; i < made->n; i++) {
		row = json_object_get(im->listeners, made->keys[i]);
		if (json_array_size(json_object_get(row, "listen")))
			any = true;
		else
			json_object_del(im->listeners, made->keys[i]);
	}
	free(made->keys);
	return any;
}

/* ADDR:PORT of an address, for free(); NULL for what is none. */
static char *format_address(struct import *im, const char *host, uint16_t port)
{
	bool v6 = strchr(host, ':');
	char buf[ENDPOINT_TEXT_MAX];
	struct endpoint ep;
	struct in_addr v4;
	const char *why;
	char *text;

	if (!v6 && strcmp(host, "*") && inet_pton(AF_INET, host, &v4) != 1)
		return NULL;
	text = import_text(v6 ? "[%s]:%u" : "%s:%u", host, port);
	why = endpoint_parse(im->ctx->ifd, text, &ep);
	free(text);
	if (why)
		return NULL;
	endpoint_format(im->ctx->ifd, &ep, buf);
	return xstrdup(buf);
}

/* Whether @row has something already that is its own; from now on it has. */
static bool has_already(struct import *im, const json_t *row, const char *what)
{
	char *key = import_text("%p %s", (const void *)row, what);
	bool known = json_object_get(im->known, key);

	/* As long as it is referenced, no other gets its address. */
	if (!known)
		json_object_set(im->known, key, (json_t *)row);
	free(key);
	return known;
}

static json_t *add_server(struct import *im, unsigned int line,
			  json_t *upstream, const char *key,
			  const char *address)
{
	json_t *servers = json_object_get(upstream, "servers");
	json_t *row;

	if (has_already(im, upstream, address)) {
		import_note(im, line, "server %s: the upstream has it already",
			    address);
		return NULL;
	}
	if (json_array_size(servers) == KPROXY_SERVERS_MAX) {
		import_note(im, line, "server %s: an upstream has at most %d servers",
			    address, KPROXY_SERVERS_MAX);
		return NULL;
	}
	row = json_object();
	json_object_set_new(row, key, json_string(address));
	json_array_append_new(servers, row);
	return row;
}

static bool is_any(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return !v4.s_addr;
	return !strcmp(host, "*") || (inet_pton(AF_INET6, host, &v6) == 1 &&
				      IN6_IS_ADDR_UNSPECIFIED(&v6));
}

json_t *import_server(struct import *im, unsigned int line, json_t *upstream,
		      const char *host, uint16_t port)
{
	char name[NAME_TEXT_MAX];
	json_t *row = NULL;
	char *address, *text;
	uint16_t number;

	if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	address = is_any(host) ? NULL : format_address(im, host, port);
	text = import_text("%s:%u", host, port);
	if (address)
		row = add_server(im, line, upstream, "address", address);
	else if (!names_parse(text, name, &number))
		row = add_server(im, line, upstream, "name", text);
	else
		import_note(im, line, "server %.*s: cannot be carried over: not an address",
			    WORD_MAX, host);
	free(text);
	free(address);
	return row;
}

/* Whether a listener of @port already has all of IPv4, and which. */
static const char *claim_of(const struct import *im, const char *host,
			    uint16_t port)
{
	char *key = import_text("%s:%u", host, port);
	const char *owner;

	owner = json_string_value(json_object_get(im->claims, key));
	free(key);
	return owner;
}

static void add_address(struct import *im, unsigned int line, json_t *listener,
			const char *name, const char *address)
{
	json_t *list = json_object_get(listener, "listen");
	const char *owner;

	owner = json_string_value(json_object_get(im->claims, address));
	if (owner && !strcmp(owner, name))
		return;
	if (owner) {
		import_note(im, line, "address %s: listener \"%s\" has it already",
			    address, owner);
		return;
	}
	if (json_array_size(list) == KPROXY_ADDRESSES_MAX) {
		import_note(im, line, "address %s: a listener has at most %d addresses",
			    address, KPROXY_ADDRESSES_MAX);
		return;
	}
	json_object_set_new(im->claims, address, json_string(name));
	json_array_append_new(list, json_string(address));
}

void import_address(struct import *im, unsigned int line, json_t *listener,
		    const char *name, const char *host, uint16_t port,
		    enum import_dual dual)
{
	struct in6_addr v6;
	const char *owner;
	char *address;

	if (dual != IMPORT_V6ONLY && inet_pton(AF_INET6, host, &v6) == 1 &&
	    IN6_IS_ADDR_UNSPECIFIED(&v6) &&
	    (dual == IMPORT_DUAL || !claim_of(im, "0.0.0.0", port)))
		host = "*";
	/* The address for both has this one already. */
	owner = is_any(host) ? claim_of(im, "*", port) : NULL;
	if (owner && !strcmp(owner, name))
		return;
	address = format_address(im, host, port);
	if (address)
		add_address(im, line, listener, name, address);
	else
		import_note(im, line, "address %.*s: cannot be carried over: not an address of this host",
			    WORD_MAX, host);
	free(address);
}

void import_route(struct import *im, unsigned int line, json_t *listener,
		  const char *sni, const char *upstream)
{
	json_t *routes = json_object_get(listener, "routes");
	char pattern[KPROXY_SNI_MAX + 1];
	const char *why = token_sni(sni, pattern);

	if (why) {
		import_note(im, line, "sni %.*s: %s", WORD_MAX, sni, why);
		return;
	}
	if (!routes) {
		routes = json_array();
		json_object_set_new(listener, "routes", routes);
	}
	if (has_already(im, listener, pattern)) {
		import_note(im, line, "sni %s: the listener has a route for it already",
			    pattern);
		return;
	}
	if (json_array_size(routes) == KPROXY_ROUTES_MAX) {
		import_note(im, line, "sni %s: a listener has at most %d routes",
			    pattern, KPROXY_ROUTES_MAX);
		return;
	}
	json_array_append_new(routes, json_pack("{s:s,s:s}", "sni", pattern,
						"upstream", upstream));
}

static const struct span {
	const char *name;
	uint64_t us;
} spans[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "m", 60000000 },
	{ "h", 3600000000 },
	{ "d", 86400000000 },
	{ "w", 604800000000 },
	{ "M", 2592000000000 },
	{ "y", 31536000000000 },
};

static const struct span *find_span(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spans); i++)
		if (strlen(spans[i].name) == len &&
		    !strncmp(spans[i].name, name, len))
			return &spans[i];
	return NULL;
}

bool import_time(const char *text, const char *unit, uint64_t *ms)
{
	const struct span *span;
	uint64_t us = 0, n;
	size_t len;
	char *end;

	do {
		if (*text < '0' || *text > '9')
			return false;
		n = strtoull(text, &end, 10);
		len = strcspn(end, TOKEN_DIGITS);
		span = len ? find_span(end, len) : find_span(unit, strlen(unit));
		if (!span || __builtin_mul_overflow(n, span->us, &n) ||
		    __builtin_add_overflow(us, n, &us))
			return false;
		text = end + len;
	} while (*text);
	/* Round up: 0 would mean for ever. */
	*ms = us / 1000 + !!(us % 1000);
	return true;
}

bool import_count(const char *text, uint64_t *value)
{
	return !token_number(text, value) && *value <= UINT32_MAX;
}

static bool is_empty(const struct import *im)
{
	return !json_object_size(im->upstreams) &&
	       !json_object_size(im->listeners);
}

static void copy_value(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	if (value)
		json_object_set(to, key, value);
}

/* The order of keys is that of what "config save" writes. */
static void sort_keys(json_t *row, const char *first, const char *last)
{
	json_t *sorted = json_object(), *value;
	const char *key;

	copy_value(sorted, row, "listen");
	copy_value(sorted, row, first);
	json_object_foreach(row, key, value)
		if (strcmp(key, last))
			json_object_set(sorted, key, value);
	copy_value(sorted, row, last);
	json_object_clear(row);
	json_object_update(row, sorted);
	json_decref(sorted);
}

static void sort_all(json_t *rows, const char *first, const char *last)
{
	const char *name;
	json_t *row;

	json_object_foreach(rows, name, row)
		sort_keys(row, first, last);
}

static int print(struct import *im)
{
	json_t *config;

	if (is_empty(im)) {
		im->ctx->place = (struct place){};
		return ctx_refuse(im->ctx, "nothing could be carried over");
	}
	sort_all(im->upstreams, "balance", "servers");
	sort_all(im->listeners, "upstream", "routes");
	config = json_pack("{s:O,s:O}", "upstreams", im->upstreams,
			   "listeners", im->listeners);
	config_write(im->ctx, stdout, config);
	json_decref(config);
	return print_flush(im->ctx);
}

static int import_file(struct ctx *ctx, const struct format *format,
		       const char *path)
{
	struct import im = { .ctx = ctx, .upstreams = json_object(),
			     .listeners = json_object(), .notes = json_object(),
			     .claims = json_object(), .known = json_object() };
	struct text text;
	int status;

	ctx->file = path;
	ctx->object = NULL;
	ctx->place = (struct place){};
	status = text_file_read(ctx, &text);
	if (!status && strlen(text.data) != text.len)
		status = ctx_refuse(ctx, "not text");
	if (!status) {
		format->read(&im, text.data);
		say_notes(&im);
		status = print(&im);
	}
	free(text.data);
	json_decref(im.upstreams);
	json_decref(im.listeners);
	json_decref(im.notes);
	json_decref(im.claims);
	json_decref(im.known);
	ctx->file = NULL;
	return status;
}

int import_run(struct ctx *ctx, struct args *args)
{
	const char *name = args_next(args), *path = args_next(args);
	size_t i;
	int status;

	if (!name || !path)
		return ctx_refuse(ctx, "%s is missing, try \"kproxy config help\"",
				  name ? "FILE" : "haproxy, nginx or ipvsadm");
	status = args_end(ctx, args);
	if (status)
		return status;
	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return import_file(ctx, &formats[i], path);
	return ctx_refuse(ctx, "unknown format \"%s\", must be haproxy, nginx or ipvsadm",
			  name);
}
