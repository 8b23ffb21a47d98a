// SPDX-License-Identifier: GPL-2.0
/* A section of HAProxy with addresses becomes a listener. */
#include "haproxy.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "token.h"

static const struct haproxy_proxy *find_backend(const struct haproxy_file *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->list[i].kind != FRONTEND &&
		    !strcmp(f->list[i].name, name))
			return &f->list[i];
	return NULL;
}

/* Each time is the longest one of all backends that it uses. */
static void take_times(const struct haproxy_proxy *backend, struct haproxy_setting *times)
{
	static const enum haproxy_setting_kind kinds[] = {
		CONNECT, SERVER, TUNNEL, SERVER_FIN,
	};
	const struct haproxy_setting *setting;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		setting = &backend->settings[kinds[i]];
		if (setting->line && (!times[kinds[i]].line ||
				      setting->value > times[kinds[i]].value))
			times[kinds[i]] = *setting;
	}
}

static const struct haproxy_setting *longer(const struct haproxy_setting *a,
					    const struct haproxy_setting *b)
{
	if (!a->line)
		return b;
	return b->line && b->value > a->value ? b : a;
}

static void set_times(struct haproxy_frontend *fe, const struct haproxy_setting *times)
{
	const struct haproxy_setting *client = &fe->p->settings[CLIENT];
	const struct haproxy_setting *server = &times[SERVER];
	const struct haproxy_setting *idle = longer(client, server);

	if (times[TUNNEL].line && !fe->p->http)
		idle = &times[TUNNEL];
	else if (client->line && server->line &&
		 client->value != server->value)
		import_note(fe->f->im, idle->line, "timeout: the longer one of client and server is used for both");
	haproxy_set(fe->f, fe->row, &listener_object, "connect-timeout",
		    &times[CONNECT]);
	haproxy_set(fe->f, fe->row, &listener_object, "idle-timeout", idle);
	if (!idle->line)
		json_object_set_new(fe->row, "idle-timeout", json_string("0"));
	haproxy_set(fe->f, fe->row, &listener_object, "fin-timeout",
		    longer(&fe->p->settings[CLIENT_FIN], &times[SERVER_FIN]));
}

static bool add_networks(struct haproxy_frontend *fe, const struct line *line,
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
static const char *take_rule(struct haproxy_frontend *fe, const struct line *line,
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

static const char *read_rule(struct haproxy_frontend *fe, const struct line *line)
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

static void make_rules(struct haproxy_frontend *fe)
{
	struct line line;
	const char *why;
	size_t i;

	for (i = 0; i < fe->p->rules.n; i++) {
		why = read_rule(fe, &fe->p->rules.list[i]);
		if (why)
			haproxy_refuse(fe->f, &fe->p->rules.list[i],
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

static void add_patterns(struct haproxy_frontend *fe, const struct line *line,
			 const json_t *patterns, const struct haproxy_proxy *backend,
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
static const char *make_route(struct haproxy_frontend *fe, const struct line *line,
			      struct haproxy_setting *times, json_t *seen,
			      const struct haproxy_proxy **whole)
{
	const struct haproxy_proxy *backend = NULL;
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
static const struct haproxy_proxy *own_backend(struct haproxy_frontend *fe)
{
	const struct line *line = fe->p->default_backend;
	const struct haproxy_proxy *backend;

	if (!line)
		return fe->p->key ? fe->p : NULL;
	backend = line->n > 1 ? find_backend(fe->f, line->words[1]) : NULL;
	if (backend && backend->key)
		return backend;
	haproxy_refuse(fe->f, line, "there is no such upstream");
	return NULL;
}

/* Return: whether there is an upstream to name. */
static bool make_routes(struct haproxy_frontend *fe)
{
	struct haproxy_setting times[SETTINGS] = {};
	const struct haproxy_proxy *own = NULL;
	json_t *seen = json_object();
	const char *why, *key = NULL;
	size_t i;

	for (i = 0; i < fe->p->routes.n && !own; i++) {
		why = make_route(fe, &fe->p->routes.list[i], times, seen, &own);
		if (why)
			haproxy_refuse(fe->f, &fe->p->routes.list[i],
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

void haproxy_listener(struct haproxy_file *f, const struct haproxy_proxy *p)
{
	struct haproxy_frontend fe = { .f = f, .p = p };

	if (p->kind == BACKEND || p->skip || (p->kind == LISTEN && !p->binds.n))
		return;
	fe.row = json_object();
	if (make_routes(&fe)) {
		haproxy_set(f, fe.row, &listener_object, "maxconn",
			    &p->settings[MAXCONN]);
		haproxy_set(f, fe.row, &listener_object, "backlog",
			    &p->settings[BACKLOG]);
		haproxy_set(f, fe.row, &listener_object, "rate", &p->settings[RATE]);
		haproxy_set_keepalive(f, &p->settings[KEEPALIVE_IDLE], fe.row);
		make_rules(&fe);
		haproxy_binds(&fe);
	} else {
		import_note(f->im, p->line, "%s %s: left out, it has no upstream",
			    haproxy_sections[p->kind], p->name);
	}
	rules_free(&fe.rules);
	json_decref(fe.only);
	json_decref(fe.row);
}
