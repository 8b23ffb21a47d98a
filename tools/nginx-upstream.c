// SPDX-License-Identifier: GPL-2.0
/*
 * A block "upstream" of nginx, or an address, as an upstream. Some of its options
 * are those of the block "server" that leads to it; if two such blocks differ in
 * them, the upstream becomes two.
 */
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "lines.h"
#include "nginx-import.h"
#include "token.h"

/* A limit on servers that all of an upstream share. */
static void set_eject(struct nginx_import *f, json_t *row, const struct directive *d,
		      bool first)
{
	const char *fails = nginx_value(d, "max_fails");
	const char *time = nginx_value(d, "fail_timeout");
	json_t *eject = json_object();
	uint64_t count = 1, ms = 10000;

	if ((fails && !import_count(fails, &count)) ||
	    (time && !import_time(time, "s", &ms)))
		nginx_refuse(f, d, "max_fails or fail_timeout is not one");
	import_number(f->im, d->line, eject, &upstream_object, "eject", count);
	if (count)
		import_number(f->im, d->line, eject, &upstream_object,
			      "eject-time", ms);
	if (first)
		json_object_update(row, eject);
	else if (!json_equal(json_object_get(row, "eject"),
			     json_object_get(eject, "eject")) ||
		 !json_equal(json_object_get(row, "eject-time"),
			     json_object_get(eject, "eject-time")))
		import_note(f->im, d->line, "max_fails, fail_timeout: all servers of an upstream have those of the first");
	json_decref(eject);
}

static const char *const server_words[] = {
	"weight", "max_fails", "fail_timeout", "max_conns", "slow_start",
};

static bool is_server_value(const char *word)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(server_words); i++) {
		len = strlen(server_words[i]);
		if (!strncmp(word, server_words[i], len) && word[len] == '=')
			return true;
	}
	return false;
}

static void set_server_number(struct nginx_import *f, const struct directive *d,
			      json_t *row, const char *key, const char *name)
{
	const char *text = nginx_value(d, key);
	uint64_t value;

	if (!text)
		return;
	if (import_count(text, &value))
		import_number(f->im, d->line, row, &server_object, name, value);
	else
		import_note(f->im, d->line, "%s: not a number", key);
}

static void set_slow_start(struct nginx_import *f, const struct directive *d,
			   json_t *upstream)
{
	const char *text = nginx_value(d, "slow_start");
	uint64_t ms;

	if (!text)
		return;
	if (import_knows(&upstream_object, "slow-start", NULL) &&
	    import_time(text, "s", &ms))
		import_number(f->im, d->line, upstream, &upstream_object,
			      "slow-start", ms);
	else
		import_note(f->im, d->line, "slow_start: cannot be carried over");
}

static void read_server_words(struct nginx_import *f, const struct directive *d,
			      json_t *row)
{
	const char *word;
	size_t i;

	for (i = 2; i < d->n; i++) {
		word = d->words[i];
		if (!strcmp(word, "backup"))
			json_object_set_new(row, "backup", json_string("on"));
		else if (!strcmp(word, "down"))
			json_object_set_new(row, "state", json_string("down"));
		else if (strcmp(word, "resolve") && !is_server_value(word))
			import_refuse(f->im, d->line, d->words + i, 1, NULL);
	}
}

/* An address and a port of @text, which is a copy. */
static bool read_address(char *text, const char **host, uint16_t *port)
{
	const char *name;

	if (!strncmp(text, "unix:", 5))
		return false;
	lines_split_address(text, host, &name);
	return !token_port(name, port);
}

static json_t *add_server(struct nginx_import *f, const struct directive *d,
			  const char *address, json_t *upstream)
{
	char *copy = xstrdup(address);
	json_t *row = NULL;
	const char *host;
	uint16_t port;

	if (read_address(copy, &host, &port))
		row = import_server(f->im, d->line, upstream, host, port);
	else
		nginx_refuse(f, d, "not an address and a port");
	free(copy);
	return row;
}

static void make_server(struct nginx_import *f, const struct directive *d,
			json_t *upstream)
{
	bool first = !json_array_size(json_object_get(upstream, "servers"));
	json_t *row;

	if (d->n < 2)
		return;
	row = add_server(f, d, d->words[1], upstream);
	if (!row)
		return;
	set_server_number(f, d, row, "weight", "weight");
	set_server_number(f, d, row, "max_conns", "maxconn");
	read_server_words(f, d, row);
	set_eject(f, upstream, d, first);
	set_slow_start(f, d, upstream);
}

/* Return: NULL for a directive that does not choose a server. */
static const char *balance_of(const struct directive *d, const char **why)
{
	*why = NULL;
	if (nginx_has(d, 0, "least_conn"))
		return "leastconn";
	if (nginx_has(d, 0, "ip_hash"))
		return "maglev";
	if (nginx_has(d, 0, "random"))
		return "random";
	if (nginx_has(d, 0, "least_time")) {
		if (import_knows(&upstream_object, "balance", "latency"))
			return "latency";
		*why = "leastconn is used";
		return "leastconn";
	}
	if (!nginx_has(d, 0, "hash"))
		return NULL;
	if (!nginx_has(d, 1, "$remote_addr") &&
	    !nginx_has(d, 1, "$binary_remote_addr"))
		*why = "the client's address is hashed";
	return "maglev";
}

static void read_upstream(struct nginx_import *f, const struct directive *d,
			  json_t *row)
{
	const char *balance, *why;

	if (nginx_has(d, 0, "server")) {
		make_server(f, d, row);
		return;
	}
	balance = balance_of(d, &why);
	if (balance)
		json_object_set_new(row, "balance", json_string(balance));
	else if (!nginx_ignores(d))
		nginx_refuse(f, d, NULL);
	if (why)
		nginx_refuse(f, d, why);
}

/* All of them are tried, unless there is a limit. */
static void set_retries(struct nginx_import *f, json_t *row, const json_t *options)
{
	size_t n = json_array_size(json_object_get(row, "servers"));

	if (!json_object_get(options, "retries") && n > 3)
		import_number(f->im, 0, row, &upstream_object, "retries",
			      n > 65 ? 64 : n - 1);
}

/*
 * Make an upstream of a block, or of the address that "proxy_pass" has.
 * Return: its name, or NULL
 */
static const char *make_upstream(struct nginx_import *f, const struct directive *from,
				 const char *target, const json_t *options)
{
	const json_t *index = json_object_get(f->upstreams, target);
	const struct directive *block;
	const char *key;
	json_t *row;
	size_t i;

	row = import_upstream(f->im, target, &key);
	if (index) {
		block = &f->d.list[json_integer_value(index)];
		for (i = block - f->d.list + 1; i < block->end; i++)
			read_upstream(f, &f->d.list[i], row);
		set_retries(f, row, options);
	} else {
		add_server(f, from, target, row);
	}
	json_object_update(row, (json_t *)options);
	if (json_array_size(json_object_get(row, "servers")))
		return key;
	json_object_del(f->im->upstreams, key);
	return NULL;
}

const char *nginx_upstream(struct nginx_import *f, const struct directive *from,
			   const char *target, const json_t *options)
{
	char *text = json_dumps(options, JSON_SORT_KEYS), *id;
	const char *key;

	id = import_text("%s %s", target, text);
	free(text);
	key = json_string_value(json_object_get(f->made, id));
	if (!key) {
		key = make_upstream(f, from, target, options);
		if (key)
			json_object_set_new(f->made, id, json_string(key));
	}
	free(id);
	return key;
}
