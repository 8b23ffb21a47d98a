// SPDX-License-Identifier: GPL-2.0
/* The sections of a configuration of HAProxy: what each line says. */
#include "haproxy.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "token.h"

const char *const haproxy_sections[] = {
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

void haproxy_refuse(struct haproxy_file *f, const struct line *line, const char *why)
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

	for (i = 0; i < ARRAY_SIZE(haproxy_sections); i++)
		if (!strcmp(haproxy_sections[i], line->words[0]))
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
	enum haproxy_setting_kind kind;
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
const char *haproxy_set_time(struct haproxy_setting *setting, const struct line *line,
			     size_t i, const char *unit)
{
	if (i >= line->n || !import_time(line->words[i], unit, &setting->value))
		return "not a time";
	setting->line = line->number;
	return NULL;
}

const char *haproxy_set_count(struct haproxy_setting *setting, const struct line *line)
{
	if (line->n < 2 || !import_count(line->words[1], &setting->value))
		return "not a number";
	setting->line = line->number;
	return NULL;
}

static const char *read_timeout(struct haproxy_proxy *p, const struct line *line)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(timeouts); i++)
		if (line_has(line, 1, timeouts[i].name))
			return haproxy_set_time(&p->settings[timeouts[i].kind], line,
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

static const char *read_option(struct haproxy_proxy *p, const struct line *line,
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
	/* An option that is switched off needs no note. */
	if (i == 2)
		return NULL;
	if (i < line->n && strstr(line->words[i], "chk"))
		return "servers are checked by connecting";
	return NOTHING_LIKE_IT;
}

static const char *read_mode(struct haproxy_proxy *p, const struct line *line)
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

static const char *read_tcp_request(struct haproxy_proxy *p, const struct line *line)
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

static const char *read_http_request(struct haproxy_proxy *p, const struct line *line)
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

static const char *read_number(struct haproxy_proxy *p, const struct line *line)
{
	static const struct {
		const char *name;
		enum haproxy_setting_kind kind;
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
	struct haproxy_setting *setting;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(line->words[0], numbers[i].name))
			continue;
		setting = &p->settings[numbers[i].kind];
		/* A bare number is in milliseconds but for keepalive. */
		return numbers[i].time ? haproxy_set_time(setting, line, 1, "s") :
					 haproxy_set_count(setting, line);
	}
	return NOTHING_LIKE_IT;
}

static const char *read_rate(struct haproxy_proxy *p, const struct line *line)
{
	struct line rest = { line->number, line->words + 1, line->n - 1 };

	if (!line_has(line, 1, "sessions"))
		return NOTHING_LIKE_IT;
	return haproxy_set_count(&p->settings[RATE], &rest);
}

static void add_server(struct haproxy_file *f, struct haproxy_proxy *p,
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
static const char *read_line(struct haproxy_file *f, struct haproxy_proxy *p,
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
static size_t read_lines(struct haproxy_file *f, struct haproxy_proxy *p, size_t i)
{
	const struct line *line;
	const char *why;

	for (i++; i < f->lines.n; i++) {
		line = &f->lines.list[i];
		if (section_kind(line) >= 0)
			break;
		why = read_line(f, p, line);
		if (why)
			haproxy_refuse(f, line, *why ? why : NULL);
	}
	return i;
}

static size_t skip_lines(const struct haproxy_file *f, size_t i)
{
	for (i++; i < f->lines.n; i++)
		if (section_kind(&f->lines.list[i]) >= 0)
			break;
	return i;
}

/* What concerns HAProxy's process alone is not missed. */
static size_t read_global(struct haproxy_file *f, size_t i)
{
	const struct line *line;

	for (i++; i < f->lines.n; i++) {
		line = &f->lines.list[i];
		if (section_kind(line) >= 0)
			break;
		if (line_has(line, 0, "maxconn"))
			haproxy_refuse(f, line, "each listener has its own limit");
	}
	return i;
}

/* Which defaults a section takes: those that it names, or the last ones. */
static const json_t *defaults_of(const struct haproxy_file *f, const struct line *line)
{
	size_t i;

	for (i = 1; i + 1 < line->n; i++)
		if (!strcmp(line->words[i], "from"))
			return json_object_get(f->defaults,
					       line->words[i + 1]);
	return json_object_get(f->defaults, "");
}

static size_t read_defaults(struct haproxy_file *f, size_t i)
{
	const struct line *line = &f->lines.list[i];

	json_object_set_new(f->defaults, "", json_integer(i));
	if (line->n > 1)
		json_object_set_new(f->defaults, line->words[1],
				    json_integer(i));
	return skip_lines(f, i);
}

static size_t read_proxy(struct haproxy_file *f, size_t i, enum haproxy_section kind)
{
	const struct line *line = &f->lines.list[i];
	const json_t *defaults = defaults_of(f, line);
	struct haproxy_proxy *p;

	f->list = xgrow(f->list, f->n + 1, sizeof(*f->list));
	p = &f->list[f->n++];
	*p = (struct haproxy_proxy){ .kind = kind, .line = line->number,
			     .name = line->n > 1 ? line->words[1] : "",
			     .acls = { json_object() },
			     .default_server = { .weight = 1 } };
	if (defaults)
		read_lines(f, p, json_integer_value(defaults));
	/* "listen NAME ADDR:PORT" was once "bind". */
	if (line->n > 2 && strcmp(line->words[2], "from"))
		haproxy_refuse(f, line, "write the address as \"bind\"");
	return read_lines(f, p, i);
}

static size_t read_section(struct haproxy_file *f, size_t i)
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
		haproxy_refuse(f, line, "the section is left out");
		return skip_lines(f, i);
	}
	haproxy_refuse(f, line, "it is in no section");
	return i + 1;
}

void haproxy_read(struct haproxy_file *f, struct import *im, char *text)
{
	size_t i;

	*f = (struct haproxy_file){ .im = im, .defaults = json_object() };
	lines_read(&f->lines, text);
	for (i = 0; i < f->lines.n;)
		i = read_section(f, i);
}

static void proxy_free(struct haproxy_proxy *p)
{
	/* The words belong to the lines of the file. */
	free(p->binds.list);
	free(p->routes.list);
	free(p->rules.list);
	free(p->servers);
	json_decref(p->acls.by_name);
}

void haproxy_free(struct haproxy_file *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		proxy_free(&f->list[i]);
	free(f->list);
	json_decref(f->defaults);
	lines_free(&f->lines);
}
