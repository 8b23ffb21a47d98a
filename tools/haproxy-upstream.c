// SPDX-License-Identifier: GPL-2.0
/* A section of HAProxy with servers becomes an upstream. */
#include "haproxy.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "token.h"

void haproxy_set(struct haproxy_file *f, json_t *row, const struct object *object,
		 const char *name, const struct haproxy_setting *setting)
{
	if (setting->line)
		import_number(f->im, setting->line, row, object, name,
			      setting->value);
}

static const struct method {
	const char *name;
	const char *balance;
} methods[] = {
	{ "roundrobin", "roundrobin" },
	{ "static-rr", "roundrobin" },
	{ "leastconn", "leastconn" },
	{ "random", "random" },
	{ "source", "maglev" },
};

static void set_balance(struct haproxy_file *f, const struct haproxy_proxy *p, json_t *row)
{
	const struct line *line = p->balance;
	size_t i, len;

	if (!line)
		return;
	for (i = 0; line->n > 1 && i < ARRAY_SIZE(methods); i++) {
		len = strcspn(line->words[1], "(");
		if (strlen(methods[i].name) != len ||
		    strncmp(methods[i].name, line->words[1], len))
			continue;
		if (strcmp(methods[i].balance, "roundrobin"))
			json_object_set_new(row, "balance",
					    json_string(methods[i].balance));
		return;
	}
	haproxy_refuse(f, line, "roundrobin is used");
}

/* Whether text is an address that can be bound to. */
static bool is_network(const char *text)
{
	struct rules rules = {};
	bool yes = !strchr(text, '/') && rules_add(&rules, 0, true, text);

	rules_free(&rules);
	return yes;
}

static const char *set_source(const struct haproxy_proxy *p, json_t *row)
{
	const struct line *line = p->source;
	bool client = line_has(line, 3, "client") ||
		      line_has(line, 3, "clientip");

	if (line->n < 2)
		return "it has no address";
	if (line_has(line, 2, "usesrc") && client) {
		json_object_set_new(row, "source", json_string("client"));
		return line->n > 4 ? "only the client's address is used" : NULL;
	}
	if (line->n > 2 || (strcmp(line->words[1], "0.0.0.0") &&
			    !is_network(line->words[1])))
		return "only an address, or usesrc client";
	if (strcmp(line->words[1], "0.0.0.0"))
		json_object_set_new(row, "source",
				    json_string(line->words[1]));
	return NULL;
}

/* A part of keepalive that is not given is the kernel's. */
static uint64_t part(const struct haproxy_setting *setting, uint64_t kernel)
{
	return setting->line ? setting->value : kernel;
}

void haproxy_set_keepalive(struct haproxy_file *f, const struct haproxy_setting *settings,
			   json_t *row)
{
	unsigned int line = 0;
	const char *why;
	size_t i;

	for (i = 0; i < 3; i++)
		if (settings[i].line)
			line = settings[i].line;
	if (!line)
		return;
	why = import_keepalive(row, part(&settings[0], 7200000),
			       part(&settings[1], 75000),
			       part(&settings[2], 9));
	if (why)
		import_note(f->im, line, "keepalive: %s", why);
}

/* What all servers of an upstream share here is each server's there. */
struct shared {
	const char *name;
	size_t field;
	const char *option;
};

static const struct shared shared[] = {
	{ "inter", offsetof(struct haproxy_server, inter), "interval" },
	{ "rise", offsetof(struct haproxy_server, rise), "rise" },
	{ "fall", offsetof(struct haproxy_server, fall), "fall" },
	{ "port", offsetof(struct haproxy_server, check_port), "check-port" },
	{ "slowstart", offsetof(struct haproxy_server, slowstart), "slow-start" },
};

static uint64_t field_of(const struct haproxy_server *server, size_t field)
{
	return *(const uint64_t *)((const char *)server + field);
}

static void set_shared(struct haproxy_file *f, const struct haproxy_proxy *p,
		       const struct shared *s, json_t *row)
{
	const struct haproxy_server *server, *first = &p->servers[0];
	uint64_t value = field_of(first, s->field);
	size_t i;

	for (i = 1; i < p->n_servers; i++) {
		server = &p->servers[i];
		if (field_of(server, s->field) != value)
			import_note(f->im, server->line, "%s: all servers of an upstream have that of the first",
				    s->name);
	}
	if (!value)
		return;
	if (import_knows(&upstream_object, s->option, NULL))
		import_number(f->im, first->line, row, &upstream_object,
			      s->option, value);
	else
		import_note(f->im, first->line, "%s: cannot be carried over",
			    s->name);
}

static void set_check(struct haproxy_file *f, const struct haproxy_proxy *p, json_t *row)
{
	const struct haproxy_setting *check = &p->settings[CHECK];
	const struct haproxy_server *server;
	uint64_t inter, timeout;
	bool any = false;
	size_t i;

	for (i = 0; i < p->n_servers; i++)
		any |= p->servers[i].check;
	if (!any)
		return;
	for (i = 0; i < p->n_servers; i++) {
		server = &p->servers[i];
		if (!server->check)
			import_note(f->im, server->line, "server: it is checked, as all of its upstream");
	}
	json_object_set_new(row, "check", json_string("tcp"));
	inter = p->servers[0].inter ? p->servers[0].inter : 2000;
	timeout = check->line && check->value < inter ? check->value : inter;
	import_number(f->im, p->line, row, &upstream_object, "timeout",
		      timeout);
	for (i = 0; i < ARRAY_SIZE(shared); i++)
		set_shared(f, p, &shared[i], row);
}

/* Of how many the header is, which must be the same for all. */
static void set_send_proxy(struct haproxy_file *f, const struct haproxy_proxy *p, json_t *row)
{
	unsigned int version = p->servers[0].send_proxy;
	size_t i;

	for (i = 1; i < p->n_servers; i++)
		if (p->servers[i].send_proxy != version)
			import_note(f->im, p->servers[i].line,
				    "send-proxy: all servers of an upstream are as the first");
	if (version)
		json_object_set_new(row, "send-proxy",
				    json_string(version == 1 ? "v1" : "v2"));
}

static void set_words(struct haproxy_file *f, const struct haproxy_proxy *p, json_t *row)
{
	const struct haproxy_server *server;
	size_t i;

	for (i = 0; i < p->n_servers; i++) {
		server = &p->servers[i];
		if (server->observe)
			import_number(f->im, server->line, row,
				      &upstream_object, "eject",
				      server->error_limit ?
				      server->error_limit : 10);
		if (server->fastopen)
			json_object_set_new(row, "fastopen",
					    json_string("on"));
		if (!server->reset)
			continue;
		if (import_knows(&upstream_object, "on-down", "reset"))
			json_object_set_new(row, "on-down",
					    json_string("reset"));
		else
			import_note(f->im, server->line, "on-marked-down shutdown-sessions: cannot be carried over");
	}
}

static uint16_t bind_port(const char *address)
{
	char *copy = xstrdup(address);
	const char *host, *text;
	uint16_t port = 0;

	lines_split_address(copy, &host, &text);
	if (strchr(host, ',') || token_port(text, &port))
		port = 0;
	free(copy);
	return port;
}

/* A server without a port has that of the client; 0 if there are several. */
static uint16_t port_of(const struct haproxy_proxy *p)
{
	uint16_t port = 0, other;
	size_t i;

	for (i = 0; i < p->binds.n; i++) {
		if (p->binds.list[i].n < 2)
			continue;
		other = bind_port(p->binds.list[i].words[1]);
		if (!other || (port && other != port))
			return 0;
		port = other;
	}
	return port;
}

static void make_server(struct haproxy_file *f, const struct haproxy_proxy *p,
			const struct haproxy_server *server, json_t *row)
{
	uint16_t port = server->port ? server->port : port_of(p);
	json_t *made;

	if (!port) {
		import_note(f->im, server->line, "server %s: cannot be carried over: it has no port",
			    server->host);
		return;
	}
	made = import_server(f->im, server->line, row, server->host, port);
	if (!made)
		return;
	import_number(f->im, server->line, made, &server_object, "weight",
		      server->weight);
	import_number(f->im, server->line, made, &server_object, "maxconn",
		      server->maxconn);
	if (server->backup)
		json_object_set_new(made, "backup", json_string("on"));
	if (server->disabled)
		json_object_set_new(made, "state", json_string("down"));
}

static void set_retries(struct haproxy_file *f, const struct haproxy_proxy *p, json_t *row)
{
	const struct haproxy_setting *retries = &p->settings[RETRIES];

	haproxy_set(f, row, &upstream_object, "retries", retries);
	if (p->redispatch && !retries->line)
		import_number(f->im, p->line, row, &upstream_object, "retries",
			      3);
	if (!p->redispatch && retries->line && retries->value)
		import_note(f->im, retries->line, "retries: they are made on other servers");
}

static void make_options(struct haproxy_file *f, const struct haproxy_proxy *p, json_t *row)
{
	const char *why;

	set_balance(f, p, row);
	set_retries(f, p, row);
	haproxy_set_keepalive(f, &p->settings[SERVER_IDLE], row);
	if (p->source) {
		why = set_source(p, row);
		if (why)
			haproxy_refuse(f, p->source, why);
	}
	if (!p->n_servers)
		return;
	set_check(f, p, row);
	set_send_proxy(f, p, row);
	set_words(f, p, row);
}

void haproxy_upstream(struct haproxy_file *f, struct haproxy_proxy *p)
{
	json_t *row;
	size_t i;

	if (p->kind == FRONTEND || p->skip || !p->n_servers)
		return;
	row = import_upstream(f->im, p->name, &p->key);
	for (i = 0; i < p->n_servers; i++)
		make_server(f, p, &p->servers[i], row);
	if (json_array_size(json_object_get(row, "servers"))) {
		make_options(f, p, row);
		return;
	}
	json_object_del(f->im->upstreams, p->key);
	p->key = NULL;
	import_note(f->im, p->line, "%s %s: left out, it has no server",
		    haproxy_sections[p->kind], p->name);
}
