// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of HAProxy. Sections are cut out of its lines; a backend
 * becomes an upstream, a frontend a listener, "listen" both.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "haproxy.h"
#include "import-rules.h"
#include "lines.h"
#include "token.h"

enum section_kind { GLOBAL, DEFAULTS, FRONTEND, BACKEND, LISTEN, OTHER };

static const char *const section_words[] = {
	[GLOBAL] = "global",
	[DEFAULTS] = "defaults",
	[FRONTEND] = "frontend",
	[BACKEND] = "backend",
	[LISTEN] = "listen",
};

/* Sections of which kproxy has nothing. */
static const char *const other_sections[] = {
	"acme", "aggregations", "backend_templates", "cache", "crt-list",
	"crt-store", "dynamic-update", "fcgi-app", "http-errors", "log-forward",
	"log-profile", "mailers", "peers", "program", "resolvers", "ring",
	"traces", "userlist",
};

/* Numbers and times that a section has. */
enum setting_kind {
	MAXCONN,
	BACKLOG,
	RATE,
	RETRIES,
	FULLCONN,
	CONNECT,
	CLIENT,
	SERVER,
	TUNNEL,
	CLIENT_FIN,
	SERVER_FIN,
	CHECK,
	KEEPALIVE_IDLE,
	KEEPALIVE_INTERVAL,
	KEEPALIVE_COUNT,
	SERVER_IDLE,
	SERVER_INTERVAL,
	SERVER_COUNT,
	SETTINGS
};

/* Line 0 means that it is not given. */
struct setting {
	uint64_t value;
	unsigned int line;
};

/**
 * struct proxy - a section frontend, backend or listen
 * @kind: which
 * @name: its name in the file
 * @line: where it begins
 * @skip: it is disabled, or of no use for TCP
 * @http: HAProxy parses it, so that no session of it is a tunnel
 * @redispatch: retries take another server
 * @settings: numbers and times, its own or of its defaults
 * @balance: the line, or NULL
 * @source: the line, or NULL
 * @default_backend: the line, or NULL
 * @binds: lines "bind"
 * @routes: lines "use_backend"
 * @rules: lines "tcp-request" that admit or refuse
 * @acls: its named conditions
 * @default_server: what its servers begin from
 * @servers: its servers
 * @n_servers: how many
 * @key: the name of its upstream, NULL if there is none
 */
struct proxy {
	enum section_kind kind;
	const char *name;
	unsigned int line;
	bool skip;
	bool http;
	bool redispatch;
	struct setting settings[SETTINGS];
	const struct line *balance;
	const struct line *source;
	const struct line *default_backend;
	struct lines binds;
	struct lines routes;
	struct lines rules;
	struct haproxy_acls acls;
	struct haproxy_server default_server;
	struct haproxy_server *servers;
	size_t n_servers;
	const char *key;
};

/**
 * struct file - what was read so far
 * @im: what is made of it
 * @lines: all lines
 * @defaults: indices of the first lines of sections "defaults", by name
 * @list: the proxies
 * @n: how many
 */
struct file {
	struct import *im;
	struct lines lines;
	json_t *defaults;
	struct proxy *list;
	size_t n;
};

static void refuse(struct file *f, const struct line *line, const char *why)
{
	import_refuse(f->im, line->number, line->words, line->n, why);
}

static bool is_other_section(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(other_sections); i++)
		if (!strcmp(other_sections[i], word))
			return true;
	return false;
}

/* Return: -1 for a line that begins no section. */
static int section_kind(const struct line *line)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(section_words); i++)
		if (!strcmp(section_words[i], line->words[0]))
			return i;
	return is_other_section(line->words[0]) ? OTHER : -1;
}

static void append(struct lines *lines, const struct line *line)
{
	lines->list = xgrow(lines->list, lines->n + 1, sizeof(*lines->list));
	lines->list[lines->n++] = *line;
}

static const struct timeout {
	const char *name;
	enum setting_kind kind;
} timeouts[] = {
	{ "connect", CONNECT },
	{ "client", CLIENT },
	{ "server", SERVER },
	{ "tunnel", TUNNEL },
	{ "client-fin", CLIENT_FIN },
	{ "server-fin", SERVER_FIN },
	{ "check", CHECK },
};

/* Return: NULL, or why the line cannot be carried over. */
static const char *set_time(struct setting *setting, const struct line *line,
			    size_t i, const char *unit)
{
	if (i >= line->n || !import_time(line->words[i], unit, &setting->value))
		return "not a time";
	setting->line = line->number;
	return NULL;
}

static const char *set_count(struct setting *setting, const struct line *line)
{
	if (line->n < 2 || !import_count(line->words[1], &setting->value))
		return "not a number";
	setting->line = line->number;
	return NULL;
}

#define NOTHING_LIKE_IT ""

static const char *read_timeout(struct proxy *p, const struct line *line)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(timeouts); i++)
		if (line_has(line, 1, timeouts[i].name))
			return set_time(&p->settings[timeouts[i].kind], line,
					2, "ms");
	if (line_has(line, 1, "queue"))
		return "a session waits for a server as long as for a connection";
	return NOTHING_LIKE_IT;
}

/* Options that kproxy has no use for, or always behaves as. */
static const char *const known_options[] = {
	"clitcpka", "contstats", "dontlog-normal", "dontlognull",
	"log-health-checks", "log-separate-errors", "logasap", "splice-auto",
	"splice-request", "splice-response", "srvtcpka", "tcp-smart-accept",
	"tcp-smart-connect", "tcpka", "tcplog", "tcp-check",
};

static const char *read_option(struct proxy *p, const struct line *line,
			       size_t i)
{
	size_t k;

	if (line_has(line, i, "redispatch")) {
		p->redispatch = i == 1;
		return NULL;
	}
	for (k = 0; k < ARRAY_SIZE(known_options); k++)
		if (line_has(line, i, known_options[k]))
			return NULL;
	/* What is switched off is not missed. */
	if (i == 2)
		return NULL;
	if (i < line->n && strstr(line->words[i], "chk"))
		return "servers are checked by connecting";
	return NOTHING_LIKE_IT;
}

static const char *read_mode(struct proxy *p, const struct line *line)
{
	p->skip = false;
	p->http = line_has(line, 1, "http");
	if (line_has(line, 1, "tcp"))
		return NULL;
	if (p->http)
		return "the bytes are passed on as they are";
	p->skip = true;
	return "the section is left out";
}

static const char *read_tcp_request(struct proxy *p, const struct line *line)
{
	static const char *const actions[] = {
		"accept", "reject", "silent-drop", "expect-proxy",
	};
	size_t i;

	if (line_has(line, 1, "inspect-delay"))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(actions); i++)
		if (line_has(line, 2, actions[i])) {
			append(&p->rules, line);
			return NULL;
		}
	return NOTHING_LIKE_IT;
}

static const char *read_http_request(struct proxy *p, const struct line *line)
{
	struct haproxy_condition condition;
	bool client;

	if (!line_has(line, 1, "deny") && !line_has(line, 1, "reject") &&
	    !line_has(line, 1, "silent-drop"))
		return NOTHING_LIKE_IT;
	haproxy_condition(&p->acls, line, 2, &condition);
	client = condition.test == TEST_CLIENT;
	haproxy_condition_free(&condition);
	if (!client)
		return NOTHING_LIKE_IT;
	append(&p->rules, line);
	return NULL;
}

static const char *read_number(struct proxy *p, const struct line *line)
{
	static const struct {
		const char *name;
		enum setting_kind kind;
		bool time;
	} numbers[] = {
		{ "maxconn", MAXCONN, false },
		{ "backlog", BACKLOG, false },
		{ "retries", RETRIES, false },
		{ "fullconn", FULLCONN, false },
		{ "clitcpka-idle", KEEPALIVE_IDLE, true },
		{ "clitcpka-intvl", KEEPALIVE_INTERVAL, true },
		{ "clitcpka-cnt", KEEPALIVE_COUNT, false },
		{ "srvtcpka-idle", SERVER_IDLE, true },
		{ "srvtcpka-intvl", SERVER_INTERVAL, true },
		{ "srvtcpka-cnt", SERVER_COUNT, false },
	};
	struct setting *setting;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(line->words[0], numbers[i].name))
			continue;
		setting = &p->settings[numbers[i].kind];
		/* A bare number is in milliseconds but for keepalive. */
		return numbers[i].time ? set_time(setting, line, 1, "s") :
					 set_count(setting, line);
	}
	return NOTHING_LIKE_IT;
}

static const char *read_rate(struct proxy *p, const struct line *line)
{
	struct line rest = { line->number, line->words + 1, line->n - 1 };

	if (!line_has(line, 1, "sessions"))
		return NOTHING_LIKE_IT;
	return set_count(&p->settings[RATE], &rest);
}

static void add_server(struct file *f, struct proxy *p,
		       const struct line *line)
{
	struct haproxy_server server = p->default_server;

	haproxy_server(f->im, line, &server);
	if (server.refused)
		return;
	p->servers = xgrow(p->servers, p->n_servers + 1, sizeof(server));
	p->servers[p->n_servers++] = server;
}

/* Lines that say nothing that TCP needs. */
static const char *const known_lines[] = {
	"description", "id", "guid", "log", "log-tag", "log-steps", "hash-type",
	"enabled", "tcp-check",
};

static bool is_known_line(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known_lines); i++)
		if (!strcmp(known_lines[i], word))
			return true;
	return false;
}

/* Return: NULL, or why it cannot be carried over; "" for no reason. */
static const char *read_line(struct file *f, struct proxy *p,
			     const struct line *line)
{
	const char *word = line->words[0];

	if (!strcmp(word, "mode"))
		return read_mode(p, line);
	if (!strcmp(word, "timeout"))
		return read_timeout(p, line);
	if (!strcmp(word, "option"))
		return read_option(p, line, 1);
	if (!strcmp(word, "no") && line_has(line, 1, "option"))
		return read_option(p, line, 2);
	if (!strcmp(word, "bind"))
		append(&p->binds, line);
	else if (!strcmp(word, "use_backend"))
		append(&p->routes, line);
	else if (!strcmp(word, "default_backend"))
		p->default_backend = line;
	else if (!strcmp(word, "balance"))
		p->balance = line;
	else if (!strcmp(word, "source"))
		p->source = line;
	else if (!strcmp(word, "acl"))
		haproxy_acl(f->im, &p->acls, line);
	else if (!strcmp(word, "default-server"))
		haproxy_server(f->im, line, &p->default_server);
	else if (!strcmp(word, "server"))
		add_server(f, p, line);
	else if (!strcmp(word, "tcp-request"))
		return read_tcp_request(p, line);
	else if (!strcmp(word, "http-request"))
		return read_http_request(p, line);
	else if (!strcmp(word, "rate-limit"))
		return read_rate(p, line);
	else if (!strcmp(word, "disabled"))
		p->skip = true;
	else if (!is_known_line(word))
		return read_number(p, line);
	return NULL;
}

/* The lines behind the first one of a section, up to the next. */
static size_t read_lines(struct file *f, struct proxy *p, size_t i)
{
	const struct line *line;
	const char *why;

	for (i++; i < f->lines.n; i++) {
		line = &f->lines.list[i];
		if (section_kind(line) >= 0)
			break;
		why = read_line(f, p, line);
		if (why)
			refuse(f, line, *why ? why : NULL);
	}
	return i;
}

static size_t skip_lines(const struct file *f, size_t i)
{
	for (i++; i < f->lines.n; i++)
		if (section_kind(&f->lines.list[i]) >= 0)
			break;
	return i;
}

/* What concerns HAProxy's process alone is not missed. */
static size_t read_global(struct file *f, size_t i)
{
	const struct line *line;

	for (i++; i < f->lines.n; i++) {
		line = &f->lines.list[i];
		if (section_kind(line) >= 0)
			break;
		if (line_has(line, 0, "maxconn"))
			refuse(f, line, "each listener has its own limit");
	}
	return i;
}

/* Which defaults a section takes: those that it names, or the last ones. */
static const json_t *defaults_of(const struct file *f, const struct line *line)
{
	size_t i;

	for (i = 1; i + 1 < line->n; i++)
		if (!strcmp(line->words[i], "from"))
			return json_object_get(f->defaults,
					       line->words[i + 1]);
	return json_object_get(f->defaults, "");
}

static size_t read_defaults(struct file *f, size_t i)
{
	const struct line *line = &f->lines.list[i];

	json_object_set_new(f->defaults, "", json_integer(i));
	if (line->n > 1)
		json_object_set_new(f->defaults, line->words[1],
				    json_integer(i));
	return skip_lines(f, i);
}

static size_t read_proxy(struct file *f, size_t i, enum section_kind kind)
{
	const struct line *line = &f->lines.list[i];
	const json_t *defaults = defaults_of(f, line);
	struct proxy *p;

	f->list = xgrow(f->list, f->n + 1, sizeof(*f->list));
	p = &f->list[f->n++];
	*p = (struct proxy){ .kind = kind, .line = line->number,
			     .name = line->n > 1 ? line->words[1] : "",
			     .acls = { json_object() },
			     .default_server = { .weight = 1 } };
	if (defaults)
		read_lines(f, p, json_integer_value(defaults));
	/* "listen NAME ADDR:PORT" was once "bind". */
	if (line->n > 2 && strcmp(line->words[2], "from"))
		refuse(f, line, "write the address as \"bind\"");
	return read_lines(f, p, i);
}

static size_t read_section(struct file *f, size_t i)
{
	const struct line *line = &f->lines.list[i];
	int kind = section_kind(line);

	switch (kind) {
	case GLOBAL:
		return read_global(f, i);
	case DEFAULTS:
		return read_defaults(f, i);
	case FRONTEND:
	case BACKEND:
	case LISTEN:
		return read_proxy(f, i, kind);
	case OTHER:
		refuse(f, line, "the section is left out");
		return skip_lines(f, i);
	}
	refuse(f, line, "it is in no section");
	return i + 1;
}

static void set(struct file *f, json_t *row, const struct object *object,
		const char *name, const struct setting *setting)
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

static void set_balance(struct file *f, const struct proxy *p, json_t *row)
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
	refuse(f, line, "roundrobin is used");
}

/* Whether text is an address that can be bound to. */
static bool is_network(const char *text)
{
	struct rules rules = {};
	bool yes = !strchr(text, '/') && rules_add(&rules, 0, true, text);

	rules_free(&rules);
	return yes;
}

static const char *set_source(const struct proxy *p, json_t *row)
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
static uint64_t part(const struct setting *setting, uint64_t kernel)
{
	return setting->line ? setting->value : kernel;
}

/* @settings has three: idle, interval, count. */
static void set_keepalive(struct file *f, const struct setting *settings,
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

static void set_shared(struct file *f, const struct proxy *p,
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

static void set_check(struct file *f, const struct proxy *p, json_t *row)
{
	const struct setting *check = &p->settings[CHECK];
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
static void set_send_proxy(struct file *f, const struct proxy *p, json_t *row)
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

static void set_words(struct file *f, const struct proxy *p, json_t *row)
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

	haproxy_split(copy, &host, &text);
	if (strchr(host, ',') || token_port(text, &port))
		port = 0;
	free(copy);
	return port;
}

/* A server without a port has that of the client; 0 if there are several. */
static uint16_t port_of(const struct proxy *p)
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

static void make_server(struct file *f, const struct proxy *p,
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

static void set_retries(struct file *f, const struct proxy *p, json_t *row)
{
	const struct setting *retries = &p->settings[RETRIES];

	set(f, row, &upstream_object, "retries", retries);
	if (p->redispatch && !retries->line)
		import_number(f->im, p->line, row, &upstream_object, "retries",
			      3);
	if (!p->redispatch && retries->line && retries->value)
		import_note(f->im, retries->line, "retries: they are made on other servers");
}

static void make_options(struct file *f, const struct proxy *p, json_t *row)
{
	const char *why;

	set_balance(f, p, row);
	set_retries(f, p, row);
	set_keepalive(f, &p->settings[SERVER_IDLE], row);
	if (p->source) {
		why = set_source(p, row);
		if (why)
			refuse(f, p->source, why);
	}
	if (!p->n_servers)
		return;
	set_check(f, p, row);
	set_send_proxy(f, p, row);
	set_words(f, p, row);
}

static void make_upstream(struct file *f, struct proxy *p)
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
		    section_words[p->kind], p->name);
}

static const struct proxy *find_backend(const struct file *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->list[i].kind != FRONTEND &&
		    !strcmp(f->list[i].name, name))
			return &f->list[i];
	return NULL;
}

/**
 * struct frontend - a listener that is made
 * @f: the file
 * @p: its section
 * @row: its options, without name and addresses
 * @rules: networks that are admitted and not
 * @only: networks outside of which nobody is admitted, or NULL
 * @only_line: where that was said
 */
struct frontend {
	struct file *f;
	const struct proxy *p;
	json_t *row;
	struct rules rules;
	json_t *only;
	unsigned int only_line;
};

/* Each time is the longest one of all backends that it uses. */
static void take_times(const struct proxy *backend, struct setting *times)
{
	static const enum setting_kind kinds[] = {
		CONNECT, SERVER, TUNNEL, SERVER_FIN,
	};
	const struct setting *setting;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		setting = &backend->settings[kinds[i]];
		if (setting->line && (!times[kinds[i]].line ||
				      setting->value > times[kinds[i]].value))
			times[kinds[i]] = *setting;
	}
}

static const struct setting *longer(const struct setting *a,
				    const struct setting *b)
{
	if (!a->line)
		return b;
	return b->line && b->value > a->value ? b : a;
}

static void set_times(struct frontend *fe, const struct setting *times)
{
	const struct setting *client = &fe->p->settings[CLIENT];
	const struct setting *server = &times[SERVER];
	const struct setting *idle = longer(client, server);

	if (times[TUNNEL].line && !fe->p->http)
		idle = &times[TUNNEL];
	else if (client->line && server->line &&
		 client->value != server->value)
		import_note(fe->f->im, idle->line, "timeout: the longer one of client and server is used for both");
	set(fe->f, fe->row, &listener_object, "connect-timeout",
	    &times[CONNECT]);
	set(fe->f, fe->row, &listener_object, "idle-timeout", idle);
	if (!idle->line)
		json_object_set_new(fe->row, "idle-timeout", json_string("0"));
	set(fe->f, fe->row, &listener_object, "fin-timeout",
	    longer(&fe->p->settings[CLIENT_FIN], &times[SERVER_FIN]));
}

static bool add_networks(struct frontend *fe, const struct line *line,
			 bool allow, const json_t *networks)
{
	json_t *network;
	bool all = true;
	size_t i;

	json_array_foreach(networks, i, network)
		if (!rules_add(&fe->rules, line->number, allow,
			       json_string_value(network)))
			all = false;
	return all;
}

/* Return: NULL, or why it cannot be carried over. */
static const char *take_rule(struct frontend *fe, const struct line *line,
			     bool allow,
			     const struct haproxy_condition *condition)
{
	if (condition->test == TEST_HELLO && allow)
		return NULL;
	if (condition->test == TEST_CONNECTIONS && !allow &&
	    !condition->negated) {
		import_number(fe->f->im, line->number, fe->row,
			      &listener_object, "client-maxconn",
			      json_integer_value(json_array_get(condition->values,
								0)));
		return NULL;
	}
	if (condition->test == TEST_ALWAYS && !condition->negated) {
		if (!fe->only)
			rules_add(&fe->rules, line->number, allow, NULL);
		return fe->only ? NOTHING_LIKE_IT : NULL;
	}
	if (condition->test != TEST_CLIENT)
		return NOTHING_LIKE_IT;
	if (!condition->negated) {
		/* It would admit what was refused before. */
		if (allow && fe->only)
			return NOTHING_LIKE_IT;
		return add_networks(fe, line, allow, condition->values) ?
			NULL : "not a network";
	}
	if (allow || fe->only)
		return NOTHING_LIKE_IT;
	fe->only = json_incref(condition->values);
	fe->only_line = line->number;
	return NULL;
}

static const char *read_rule(struct frontend *fe, const struct line *line)
{
	size_t i = !strcmp(line->words[0], "http-request") ? 1 : 2;
	struct haproxy_condition condition;
	const char *why = NULL;

	if (line_has(line, i, "expect-proxy")) {
		if (line->n > i + 2 || !line_has(line, i + 1, "layer4"))
			return "all clients send a header, or none";
		json_object_set_new(fe->row, "accept-proxy",
				    json_string("on"));
		return NULL;
	}
	haproxy_condition(&fe->p->acls, line, i + 1, &condition);
	why = take_rule(fe, line, line_has(line, i, "accept"), &condition);
	haproxy_condition_free(&condition);
	return why;
}

static void make_rules(struct frontend *fe)
{
	struct line line;
	const char *why;
	size_t i;

	for (i = 0; i < fe->p->rules.n; i++) {
		why = read_rule(fe, &fe->p->rules.list[i]);
		if (why)
			refuse(fe->f, &fe->p->rules.list[i],
			       *why ? why : NULL);
	}
	if (fe->only) {
		line = (struct line){ .number = fe->only_line };
		if (!add_networks(fe, &line, true, fe->only))
			import_note(fe->f->im, fe->only_line, "tcp-request: cannot be carried over: not a network");
		rules_add(&fe->rules, fe->only_line, false, NULL);
	}
	rules_set(fe->f->im, &fe->rules, fe->row);
}

/* Whether an earlier pattern of @seen takes this one's clients. */
static bool is_covered(const json_t *seen, const char *sni)
{
	const char *rest = sni;
	char *suffix;
	bool covered = json_object_get(seen, sni);

	while (!covered && (rest = strchr(rest, '.'))) {
		suffix = import_text("*%s", rest++);
		covered = strcmp(suffix, sni) && json_object_get(seen, suffix);
		free(suffix);
	}
	return covered;
}

static void add_patterns(struct frontend *fe, const struct line *line,
			 const json_t *patterns, const struct proxy *backend,
			 json_t *seen)
{
	const char *sni;
	json_t *value;
	size_t i;

	json_array_foreach(patterns, i, value) {
		sni = json_string_value(value);
		if (is_covered(seen, sni)) {
			import_note(fe->f->im, line->number, "use_backend %s: an earlier rule takes %.*s",
				    line->words[1], 60, sni);
			continue;
		}
		json_object_set_new(seen, sni, json_true());
		import_route(fe->f->im, line->number, fe->row, sni,
			     backend->key);
	}
}

/* Return: NULL, or why it cannot be carried over. */
static const char *make_route(struct frontend *fe, const struct line *line,
			      struct setting *times, json_t *seen,
			      const struct proxy **whole)
{
	const struct proxy *backend = NULL;
	struct haproxy_condition condition;
	const char *why = NULL;

	if (line->n > 1)
		backend = find_backend(fe->f, line->words[1]);
	if (!backend || !backend->key)
		return "there is no such upstream";
	haproxy_condition(&fe->p->acls, line, 2, &condition);
	if (condition.test == TEST_ALWAYS && !condition.negated)
		*whole = backend;
	else if (condition.test == TEST_SNI && !condition.negated)
		add_patterns(fe, line, condition.values, backend, seen);
	else
		why = NOTHING_LIKE_IT;
	haproxy_condition_free(&condition);
	if (!why)
		take_times(backend, times);
	return why;
}

/* The upstream of clients that no route takes. */
static const struct proxy *own_backend(struct frontend *fe)
{
	const struct line *line = fe->p->default_backend;
	const struct proxy *backend;

	if (!line)
		return fe->p->key ? fe->p : NULL;
	backend = line->n > 1 ? find_backend(fe->f, line->words[1]) : NULL;
	if (backend && backend->key)
		return backend;
	refuse(fe->f, line, "there is no such upstream");
	return NULL;
}

/* Return: whether there is an upstream to name. */
static bool make_routes(struct frontend *fe)
{
	struct setting times[SETTINGS] = {};
	const struct proxy *own = NULL;
	json_t *seen = json_object();
	const char *why, *key = NULL;
	size_t i;

	for (i = 0; i < fe->p->routes.n && !own; i++) {
		why = make_route(fe, &fe->p->routes.list[i], times, seen, &own);
		if (why)
			refuse(fe->f, &fe->p->routes.list[i],
			       *why ? why : NULL);
	}
	json_decref(seen);
	if (!own)
		own = own_backend(fe);
	if (own) {
		key = own->key;
		take_times(own, times);
	} else if (json_object_get(fe->row, "routes")) {
		/* Others are refused, by an upstream without servers. */
		import_upstream(fe->f->im, "none", &key);
	}
	if (!key)
		return false;
	json_object_set_new(fe->row, "upstream", json_string(key));
	set_times(fe, times);
	return true;
}

/**
 * struct bind - the words behind the addresses of a line "bind"
 * @accept_proxy: clients send a header
 * @transparent: foreign addresses are accepted on
 * @fastopen: data may come with the SYN
 * @dual: whether an IPv6 address takes IPv4, too
 * @maxconn: of these addresses
 * @backlog: the same
 * @user_timeout: the same
 * @refused: the addresses cannot be carried over
 */
struct bind {
	bool accept_proxy;
	bool transparent;
	bool fastopen;
	enum import_dual dual;
	struct setting maxconn;
	struct setting backlog;
	struct setting user_timeout;
	bool refused;
};

static const struct bind_word {
	const char *name;
	size_t words;
} bind_words[] = {
	/* kproxy has no use for these. */
	{ "expose-fd", 1 }, { "gid", 1 }, { "group", 1 }, { "guid-prefix", 1 },
	{ "id", 1 }, { "idle-ping", 1 }, { "label", 1 }, { "level", 1 },
	{ "mode", 1 }, { "name", 1 }, { "nice", 1 }, { "no-alpn", 0 },
	{ "process", 1 }, { "severity-output", 1 }, { "shards", 1 },
	{ "thread", 1 }, { "uid", 1 }, { "user", 1 },
};

static bool skip_bind_word(const struct line *line, size_t *i)
{
	size_t k;

	for (k = 0; k < ARRAY_SIZE(bind_words); k++)
		if (line_has(line, *i, bind_words[k].name)) {
			*i += bind_words[k].words;
			return true;
		}
	return false;
}

static bool bind_flag(struct bind *bind, const char *word)
{
	if (!strcmp(word, "accept-proxy"))
		bind->accept_proxy = true;
	else if (!strcmp(word, "transparent"))
		bind->transparent = true;
	else if (!strcmp(word, "tfo"))
		bind->fastopen = true;
	else if (!strcmp(word, "v4v6"))
		bind->dual = IMPORT_DUAL;
	else if (!strcmp(word, "v6only"))
		bind->dual = IMPORT_V6ONLY;
	else
		return false;
	return true;
}

static bool bind_number(struct bind *bind, const struct line *line, size_t *i)
{
	struct line rest = { line->number, line->words + *i, line->n - *i };
	const char *why;

	if (line_has(line, *i, "maxconn"))
		why = set_count(&bind->maxconn, &rest);
	else if (line_has(line, *i, "backlog"))
		why = set_count(&bind->backlog, &rest);
	else if (line_has(line, *i, "tcp-ut"))
		why = set_time(&bind->user_timeout, line, *i + 1, "ms");
	else
		return false;
	++*i;
	return !why;
}

static void read_bind(struct file *f, const struct line *line,
		      struct bind *bind)
{
	size_t i;

	*bind = (struct bind){ .dual = IMPORT_DUAL_IF_FREE };
	for (i = 2; i < line->n; i++) {
		if (bind_flag(bind, line->words[i]) ||
		    bind_number(bind, line, &i) || skip_bind_word(line, &i))
			continue;
		if (line_has(line, i, "ssl") ||
		    line_has(line, i, "accept-netscaler-cip") ||
		    line_has(line, i, "interface") ||
		    line_has(line, i, "namespace") ||
		    !strncmp(line->words[i], "quic", 4)) {
			bind->refused = true;
			import_refuse(f->im, line->number, line->words, line->n,
				      line_has(line, i, "ssl") ?
				      "kproxy does not end TLS, the address is left out" :
				      "the address is left out");
			return;
		}
		import_refuse(f->im, line->number, line->words + i, 1, NULL);
	}
}

/* "8000-8010", or one port. */
static bool read_ports(const char *text, uint16_t *first, uint16_t *last)
{
	char copy[16], *dash;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash++ = '\0';
	return !token_port(copy, first) &&
	       !token_port(dash ? dash : copy, last) && *last >= *first;
}

static const char *skip_bind_family(const char *text, const char **any)
{
	*any = "0.0.0.0";
	if (!strncmp(text, "ipv4@", 5) || !strncmp(text, "tcp4@", 5))
		return text + 5;
	if (!strncmp(text, "ipv6@", 5) || !strncmp(text, "tcp6@", 5)) {
		*any = "::";
		return text + 5;
	}
	return text;
}

static void add_bind(struct frontend *fe, const struct line *line,
		     const struct bind *bind, const char *text, json_t *row,
		     const char *key)
{
	const char *host, *ports, *any;
	char *copy = xstrdup(skip_bind_family(text, &any));
	uint16_t first, last;
	unsigned int port;

	haproxy_split(copy, &host, &ports);
	if (!*host || !strcmp(host, "*"))
		host = any;
	/* ":::80" */
	if (!strcmp(host, "::") || !strcmp(host, ":"))
		host = "::";
	if (strpbrk(copy, "/@$") || !read_ports(ports, &first, &last))
		import_refuse(fe->f->im, line->number, (char **)&text, 1,
			      "not an address and a port");
	else if (last - first >= 256)
		import_refuse(fe->f->im, line->number, (char **)&text, 1,
			      "too many ports");
	else
		for (port = first; port <= last; port++)
			import_address(fe->f->im, line->number, row, key, host,
				       port, bind->dual);
	free(copy);
}

/* All addresses of a listener have the same options of their sockets. */
static void set_bind(struct file *f, const struct bind *bind, json_t *row)
{
	set(f, row, &listener_object, "maxconn", &bind->maxconn);
	set(f, row, &listener_object, "backlog", &bind->backlog);
	set(f, row, &listener_object, "user-timeout", &bind->user_timeout);
	if (bind->accept_proxy)
		json_object_set_new(row, "accept-proxy", json_string("on"));
	if (bind->transparent)
		json_object_set_new(row, "transparent", json_string("on"));
	if (bind->fastopen)
		json_object_set_new(row, "fastopen", json_string("on"));
}

/* The listener of the section with these options, which may be a new one. */
static json_t *listener_for(struct frontend *fe, struct import_variants *made,
			    const struct bind *bind, const char **key)
{
	json_t *want = json_deep_copy(fe->row), *row;

	set_bind(fe->f, bind, want);
	row = import_variant(fe->f->im, made, fe->p->name, want, key);
	json_decref(want);
	return row;
}

static void make_bind(struct frontend *fe, const struct line *line,
		      struct import_variants *made)
{
	char *list, *rest, *text;
	struct bind bind;
	const char *key;
	json_t *row;

	if (line->n < 2) {
		refuse(fe->f, line, "it has no address");
		return;
	}
	read_bind(fe->f, line, &bind);
	if (bind.refused)
		return;
	row = listener_for(fe, made, &bind, &key);
	list = xstrdup(line->words[1]);
	rest = list;
	while ((text = strsep(&rest, ",")))
		add_bind(fe, line, &bind, text, row, key);
	free(list);
}

static void make_binds(struct frontend *fe)
{
	struct import_variants made = {};
	size_t i;

	for (i = 0; i < fe->p->binds.n; i++)
		make_bind(fe, &fe->p->binds.list[i], &made);
	if (!import_variants_end(fe->f->im, &made))
		import_note(fe->f->im, fe->p->line, "%s %s: left out, it has no address",
			    section_words[fe->p->kind], fe->p->name);
}

static void make_listener(struct file *f, const struct proxy *p)
{
	struct frontend fe = { .f = f, .p = p };

	if (p->kind == BACKEND || p->skip || (p->kind == LISTEN && !p->binds.n))
		return;
	fe.row = json_object();
	if (make_routes(&fe)) {
		set(f, fe.row, &listener_object, "maxconn",
		    &p->settings[MAXCONN]);
		set(f, fe.row, &listener_object, "backlog",
		    &p->settings[BACKLOG]);
		set(f, fe.row, &listener_object, "rate", &p->settings[RATE]);
		set_keepalive(f, &p->settings[KEEPALIVE_IDLE], fe.row);
		make_rules(&fe);
		make_binds(&fe);
	} else {
		import_note(f->im, p->line, "%s %s: left out, it has no upstream",
			    section_words[p->kind], p->name);
	}
	rules_free(&fe.rules);
	json_decref(fe.only);
	json_decref(fe.row);
}

static void proxy_free(struct proxy *p)
{
	/* The words belong to the lines of the file. */
	free(p->binds.list);
	free(p->routes.list);
	free(p->rules.list);
	free(p->servers);
	json_decref(p->acls.by_name);
}

void import_haproxy(struct import *im, char *text)
{
	struct file f = { .im = im, .defaults = json_object() };
	size_t i;

	lines_read(&f.lines, text);
	for (i = 0; i < f.lines.n;)
		i = read_section(&f, i);
	for (i = 0; i < f.n; i++) {
		if (f.list[i].skip)
			import_note(im, f.list[i].line, "%s %s: left out, it is disabled or not of TCP",
				    section_words[f.list[i].kind],
				    f.list[i].name);
		make_upstream(&f, &f.list[i]);
	}
	for (i = 0; i < f.n; i++)
		make_listener(&f, &f.list[i]);
	for (i = 0; i < f.n; i++)
		proxy_free(&f.list[i]);
	free(f.list);
	json_decref(f.defaults);
	lines_free(&f.lines);
}
