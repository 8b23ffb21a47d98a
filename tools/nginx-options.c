// SPDX-License-Identifier: GPL-2.0
/* The settings of a block "server" as options of kproxy. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "import.h"
#include "nginx-import.h"
#include "option.h"
#include "token.h"

static const char *set_bind(const struct directive *d, json_t *row)
{
	struct rules rules = {};
	const char *address = d->n > 1 ? d->words[1] : "";
	bool good;

	if (!strcmp(address, "off"))
		return NULL;
	if (!strcmp(address, "$remote_addr")) {
		json_object_set_new(row, "source", json_string("client"));
		return NULL;
	}
	good = !strchr(address, '/') && rules_add(&rules, 0, true, address);
	rules_free(&rules);
	if (!good)
		return "not an address";
	json_object_set_new(row, "source", json_string(address));
	return NULL;
}

/* "64k" bytes a second. */
static void set_pacing(struct nginx_import *f, const struct directive *d,
		       const struct object *object, json_t *row)
{
	char text[OPTION_TEXT_MAX];
	uint64_t bytes;
	size_t i;

	if (!d)
		return;
	snprintf(text, sizeof(text), "%s", d->n > 1 ? d->words[1] : "");
	for (i = 0; text[i]; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] += 'a' - 'A';
	if (token_size(text, &bytes))
		nginx_refuse(f, d, "not a rate");
	else
		import_number(f->im, d->line, row, object, "pacing", bytes);
}

static void set_nodelay(const struct directive *d, json_t *row)
{
	if (d && nginx_has(d, 1, "off"))
		json_object_set_new(row, "nodelay", json_string("off"));
}

static void set_tries(struct nginx_import *f, const struct nginx_block *b, json_t *row)
{
	const struct directive *d = b->of[TRIES];
	uint64_t tries;

	if (b->of[NEXT] && nginx_has(b->of[NEXT], 1, "off"))
		json_object_set_new(row, "retries", json_integer(0));
	else if (d && (d->n < 2 || !import_count(d->words[1], &tries)))
		nginx_refuse(f, d, "not a number");
	else if (d && tries == 3)
		json_object_set_new(row, "retries", json_integer(2));
	else if (d && tries)
		import_number(f->im, d->line, row, &upstream_object, "retries",
			      tries - 1);
}

/* Options of the upstream that the block has. */
json_t *nginx_upstream_options(struct nginx_import *f, const struct nginx_block *b)
{
	json_t *row = json_object();
	const char *why;

	if (nginx_is_on(b->of[SEND_PROXY]))
		json_object_set_new(row, "send-proxy", json_string("v1"));
	if (b->of[BIND]) {
		why = set_bind(b->of[BIND], row);
		if (why)
			nginx_refuse(f, b->of[BIND], why);
	}
	set_pacing(f, b->of[UPLOAD], &upstream_object, row);
	set_nodelay(b->of[NODELAY], row);
	set_tries(f, b, row);
	return row;
}

static void set_time(struct nginx_import *f, const struct nginx_block *b, enum nginx_setting which,
		     const char *name, uint64_t def, json_t *row)
{
	const struct directive *d = b->of[which];
	uint64_t ms = def;

	if (d && (d->n < 2 || !import_time(d->words[1], "s", &ms)))
		nginx_refuse(f, d, "not a time");
	import_number(f->im, d ? d->line : 0, row, &listener_object, name, ms);
}

static void set_limit(struct nginx_import *f, const struct nginx_block *b, json_t *row)
{
	const struct directive *d = b->of[LIMIT];
	uint64_t count;

	if (!d)
		return;
	if (d->n < 3 || !import_count(d->words[2], &count)) {
		nginx_refuse(f, d, "not a number");
		return;
	}
	import_number(f->im, d->line, row, &listener_object, "client-maxconn",
		      count);
}

json_t *nginx_listener_options(struct nginx_import *f, struct nginx_block *b)
{
	json_t *row = json_object();

	set_time(f, b, CONNECT_TIMEOUT, "connect-timeout", 60000, row);
	set_time(f, b, TIMEOUT, "idle-timeout", 600000, row);
	set_pacing(f, b->of[DOWNLOAD], &listener_object, row);
	set_nodelay(b->of[NODELAY], row);
	set_limit(f, b, row);
	rules_set(f->im, &b->rules, row);
	return row;
}
