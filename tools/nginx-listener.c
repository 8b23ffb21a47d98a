// SPDX-License-Identifier: GPL-2.0
/*
 * A block "server" of nginx as listeners: one for all of its addresses, or several
 * where these differ in their options; a map of server names as their routes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "lines.h"
#include "nginx-import.h"
#include "option.h"
#include "token.h"

/* The names of a line of a map: ".b" is b and *.b. */
static void add_name(struct nginx_import *f, const struct directive *d, json_t *row,
		     const char *name, const char *key)
{
	char *suffix;

	if (*name == '\\')
		name++;
	if (*name != '.') {
		import_route(f->im, d->line, row, name, key);
		return;
	}
	suffix = import_text("*%s", name);
	import_route(f->im, d->line, row, name + 1, key);
	import_route(f->im, d->line, row, suffix, key);
	free(suffix);
}

/* Return: the upstream of a name that no line has, NULL for none. */
static const char *read_map(struct nginx_import *f, const struct directive *map,
			    const json_t *options, json_t *row)
{
	const struct directive *d;
	const char *own = NULL, *key;
	size_t i;

	for (i = map - f->d.list + 1; i < map->end; i++) {
		d = &f->d.list[i];
		if (nginx_has(d, 0, "hostnames") || nginx_has(d, 0, "volatile"))
			continue;
		if (d->n != 2 || d->words[0][0] == '~' ||
		    nginx_has(d, 0, "include")) {
			nginx_refuse(f, d, NULL);
			continue;
		}
		key = nginx_upstream(f, d, d->words[1], options);
		/* Of an address it has been said already. */
		if (!key && json_object_get(f->upstreams, d->words[1]))
			nginx_refuse(f, d, "the upstream has no server");
		else if (!key)
			continue;
		else if (nginx_has(d, 0, "default"))
			own = key;
		else
			add_name(f, d, row, d->words[0], key);
	}
	return own;
}

/* Return: the upstream of the block, or NULL. */
static const char *read_pass(struct nginx_import *f, const struct nginx_block *b,
			     json_t *row)
{
	const struct directive *pass = b->of[PASS];
	const char *target = pass->n > 1 ? pass->words[1] : "";
	json_t *options = nginx_upstream_options(f, b);
	const json_t *index = json_object_get(f->maps, target);
	const char *key = NULL;

	if (*target != '$') {
		key = nginx_upstream(f, pass, target, options);
	} else if (!index || !nginx_is_on(b->of[PREREAD])) {
		nginx_refuse(f, pass, "only a map of $ssl_preread_server_name");
	} else {
		key = read_map(f, &f->d.list[json_integer_value(index)],
			       options, row);
		/* Others are refused, by an upstream without servers. */
		if (!key && json_object_get(row, "routes"))
			import_upstream(f->im, "none", &key);
	}
	json_decref(options);
	return key;
}

static const char *set_so_keepalive(const char *text, json_t *row)
{
	char copy[OPTION_TEXT_MAX], *rest = copy, *part;
	uint64_t ms[] = { 7200000, 75000 }, count = 9;
	size_t i;

	if (!strcmp(text, "on"))
		return NULL;
	if (!strcmp(text, "off")) {
		json_object_set_new(row, "keepalive", json_string("off"));
		return NULL;
	}
	snprintf(copy, sizeof(copy), "%s", text);
	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		part = strsep(&rest, ":");
		if (part && *part && !import_time(part, "s", &ms[i]))
			return "not a time";
	}
	if (rest && *rest && !import_count(rest, &count))
		return "not a number";
	return import_keepalive(row, ms[0], ms[1], count);
}

static void set_size(struct nginx_import *f, const struct directive *d,
		     const char *name, json_t *row)
{
	const char *text = nginx_value(d, name);
	uint64_t bytes;

	if (!text)
		return;
	if (token_size(text, &bytes))
		import_note(f->im, d->line, "%s: not a size", name);
	else
		import_number(f->im, d->line, row, &listener_object, name,
			      bytes);
}

static void set_backlog(struct nginx_import *f, const struct directive *d, json_t *row)
{
	const char *text = nginx_value(d, "backlog");
	uint64_t n;

	if (!text || !strcmp(text, "-1"))
		return;
	if (import_count(text, &n))
		import_number(f->im, d->line, row, &listener_object, "backlog",
			      n);
	else
		import_note(f->im, d->line, "backlog: not a number");
}

/* Options of the listening socket. Return: NULL, or why it cannot be one. */
static const char *listen_options(struct nginx_import *f, const struct directive *d,
				  json_t *row)
{
	const char *keepalive = nginx_value(d, "so_keepalive");
	const char *why;
	size_t i;

	for (i = 2; i < d->n; i++) {
		if (nginx_has(d, i, "ssl"))
			return "kproxy does not end TLS, the address is left out";
		if (nginx_has(d, i, "udp"))
			return "only TCP, the address is left out";
		if (nginx_has(d, i, "proxy_protocol"))
			json_object_set_new(row, "accept-proxy",
					    json_string("on"));
	}
	if (nginx_value(d, "fastopen"))
		json_object_set_new(row, "fastopen", json_string("on"));
	set_backlog(f, d, row);
	set_size(f, d, "rcvbuf", row);
	set_size(f, d, "sndbuf", row);
	if (!keepalive)
		return NULL;
	why = set_so_keepalive(keepalive, row);
	if (why)
		import_note(f->im, d->line, "so_keepalive: %s", why);
	return NULL;
}

/* "443", "10.0.0.1:443", "[::]:8000-8010"; @text is a copy. */
static bool read_listen(char *text, const char **host, uint16_t *first,
			uint16_t *last)
{
	const char *ports;
	char *dash;

	if (!strncmp(text, "unix:", 5))
		return false;
	if (strchr(text, ':')) {
		lines_split_address(text, host, &ports);
	} else {
		*host = "*";
		ports = text;
	}
	if (!strcmp(*host, "*"))
		*host = "0.0.0.0";
	if (!strcmp(*host, "localhost"))
		*host = "127.0.0.1";
	dash = strchr(ports, '-');
	if (dash)
		*dash++ = '\0';
	return !token_port(ports, first) &&
	       !token_port(dash ? dash : ports, last) && *last >= *first &&
	       *last - *first < 256;
}

static void make_listen(struct nginx_import *f, const struct directive *d,
			const json_t *options, struct import_variants *made)
{
	const char *upstream, *host, *key, *why, *dual;
	json_t *want = json_deep_copy(options), *row;
	char *copy = xstrdup(d->n > 1 ? d->words[1] : ""), *name;
	uint16_t first, last;
	unsigned int port;

	upstream = json_string_value(json_object_get(options, "upstream"));
	dual = nginx_value(d, "ipv6only");
	why = listen_options(f, d, want);
	if (!why && !read_listen(copy, &host, &first, &last))
		why = "not an address and a port";
	if (why) {
		nginx_refuse(f, d, why);
	} else {
		name = import_text("%s-%u", upstream, first);
		row = import_variant(f->im, made, name, want, &key);
		free(name);
		for (port = first; port <= last; port++)
			import_address(f->im, d->line, row, key, host, port,
				       dual && !strcmp(dual, "off") ?
				       IMPORT_DUAL : IMPORT_V6ONLY);
	}
	free(copy);
	json_decref(want);
}

static void make_listens(struct nginx_import *f, const struct directive *server,
			 const json_t *options)
{
	struct import_variants made = {};
	size_t i;

	for (i = server - f->d.list + 1; i < server->end; i++)
		if (nginx_has(&f->d.list[i], 0, "listen"))
			make_listen(f, &f->d.list[i], options, &made);
	if (!import_variants_end(f->im, &made))
		nginx_refuse(f, server, "it has no address");
}

/* Rules of the block take the place of those around it. */
void nginx_listener(struct nginx_import *f, const struct nginx_block *stream,
		    const struct directive *server)
{
	struct nginx_block b = {};
	const char *upstream;
	json_t *options;
	size_t i;

	memcpy(b.of, stream->of, sizeof(b.of));
	for (i = server - f->d.list + 1; i < server->end;
	     i = f->d.list[i].end)
		if (!nginx_has(&f->d.list[i], 0, "listen"))
			nginx_read_setting(f, &b, &f->d.list[i]);
	if (nginx_is_on(b.of[SSL])) {
		nginx_refuse(f, b.of[SSL], "kproxy does not encrypt, the server is left out");
		rules_free(&b.rules);
		return;
	}
	if (!b.of[PASS]) {
		nginx_refuse(f, server, "it has no proxy_pass");
		rules_free(&b.rules);
		return;
	}
	if (!b.has_rules)
		rules_copy(&b.rules, &stream->rules);
	options = nginx_listener_options(f, &b);
	upstream = read_pass(f, &b, options);
	if (upstream) {
		json_object_set_new(options, "upstream",
				    json_string(upstream));
		make_listens(f, server, options);
	} else {
		nginx_refuse(f, server, "it has no upstream");
	}
	json_decref(options);
	rules_free(&b.rules);
}
