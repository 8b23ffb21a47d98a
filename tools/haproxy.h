/* SPDX-License-Identifier: GPL-2.0 */
/* What the files that read HAProxy's configuration share. */
#ifndef KPROXY_HAPROXY_H
#define KPROXY_HAPROXY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "import-rules.h"
#include "lines.h"

struct import;
struct object;

/**
 * struct haproxy_server - a line "server", or what "default-server" says
 * @line: where it is
 * @host: its address without brackets, or name
 * @port: 0 when none was given
 * @weight: share of new connections
 * @maxconn: 0 for none
 * @backup: used when no other is
 * @disabled: in maintenance
 * @check: it is checked
 * @inter: milliseconds from check to check, 0 when not given
 * @rise: checks until it is up, 0 when not given
 * @fall: checks until it is down, 0 when not given
 * @send_proxy: version of the header, 0 for none
 * @observe: failed connections count
 * @error_limit: how many take it out
 * @slowstart: milliseconds, 0 when not given
 * @check_port: where checks connect to, 0 when not given
 * @reset: sessions are reset when it is down
 * @fastopen: data travel with the SYN
 * @refused: it cannot be carried over
 */
struct haproxy_server {
	unsigned int line;
	const char *host;
	uint16_t port;
	uint64_t weight;
	uint64_t maxconn;
	bool backup;
	bool disabled;
	bool check;
	uint64_t inter;
	uint64_t rise;
	uint64_t fall;
	unsigned int send_proxy;
	bool observe;
	uint64_t error_limit;
	uint64_t slowstart;
	uint64_t check_port;
	bool reset;
	bool fastopen;
	bool refused;
};

/* Read a line "server" or "default-server" into what it begins from. */
void haproxy_server(struct import *im, const struct line *line,
		    struct haproxy_server *server);

/* What a condition is about. */
enum haproxy_test {
	TEST_UNKNOWN,
	TEST_ALWAYS,
	TEST_CLIENT,	/* networks */
	TEST_SNI,	/* patterns of kproxy */
	TEST_HELLO,	/* there is a TLS handshake */
	TEST_CONNECTIONS, /* one number: of the client more than this */
};

/**
 * struct haproxy_condition - what follows "if" or "unless"
 * @test: what it is about
 * @negated: it must not hold
 * @values: the networks, patterns or number
 */
struct haproxy_condition {
	enum haproxy_test test;
	bool negated;
	json_t *values;
};

/**
 * struct haproxy_acls - named conditions of a section
 * @by_name: lists of [test, value...], joined by "or"
 */
struct haproxy_acls {
	json_t *by_name;
};

/* Read a line "acl"; one that cannot be carried over is noted. */
void haproxy_acl(struct import *im, struct haproxy_acls *acls,
		 const struct line *line);

/*
 * Read the condition from word @i on, which may be none; for
 * haproxy_condition_free().
 */
void haproxy_condition(const struct haproxy_acls *acls,
		       const struct line *line, size_t i,
		       struct haproxy_condition *condition);
void haproxy_condition_free(struct haproxy_condition *condition);

enum haproxy_section { GLOBAL, DEFAULTS, FRONTEND, BACKEND, LISTEN, OTHER };

/* Numbers and times that a section has. */
enum haproxy_setting_kind {
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
struct haproxy_setting {
	uint64_t value;
	unsigned int line;
};

/**
 * struct haproxy_proxy - a section frontend, backend or listen
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
struct haproxy_proxy {
	enum haproxy_section kind;
	const char *name;
	unsigned int line;
	bool skip;
	bool http;
	bool redispatch;
	struct haproxy_setting settings[SETTINGS];
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
 * struct haproxy_file - what was read so far
 * @im: what is made of it
 * @lines: all lines
 * @defaults: indices of the first lines of sections "defaults", by name
 * @list: the proxies
 * @n: how many
 */
struct haproxy_file {
	struct import *im;
	struct lines lines;
	json_t *defaults;
	struct haproxy_proxy *list;
	size_t n;
};

/* What each section is called in the file. */
extern const char *const haproxy_sections[];

/* Read all sections; for haproxy_free(). */
void haproxy_read(struct haproxy_file *f, struct import *im, char *text);
void haproxy_free(struct haproxy_file *f);

/* Say that a line cannot be carried over, with a reason or NULL. */
void haproxy_refuse(struct haproxy_file *f, const struct line *line,
		    const char *why);

/* A reason that says no more than that it cannot. */
#define NOTHING_LIKE_IT ""

/*
 * Read word @i as a time, or the second word as a number. Return: NULL, or why the
 * line cannot be carried over.
 */
const char *haproxy_set_time(struct haproxy_setting *setting,
			     const struct line *line, size_t i,
			     const char *unit);
const char *haproxy_set_count(struct haproxy_setting *setting,
			      const struct line *line);

/* Make a setting that was given an option. */
void haproxy_set(struct haproxy_file *f, json_t *row,
		 const struct object *object, const char *name,
		 const struct haproxy_setting *setting);

/* @settings has three: idle, interval, count. */
void haproxy_set_keepalive(struct haproxy_file *f,
			   const struct haproxy_setting *settings,
			   json_t *row);

/* Make the upstream of a section with servers; sets its key. */
void haproxy_upstream(struct haproxy_file *f, struct haproxy_proxy *p);

/* Make the listeners of a section with addresses, when there are upstreams. */
void haproxy_listener(struct haproxy_file *f, const struct haproxy_proxy *p);

/**
 * struct haproxy_frontend - a listener that is made
 * @f: the file
 * @p: its section
 * @row: its options, without name and addresses
 * @rules: networks that are admitted and not
 * @only: networks outside of which nobody is admitted, or NULL
 * @only_line: where that was said
 */
struct haproxy_frontend {
	struct haproxy_file *f;
	const struct haproxy_proxy *p;
	json_t *row;
	struct rules rules;
	json_t *only;
	unsigned int only_line;
};

/* Make listeners of the addresses, with the options of @fe. */
void haproxy_binds(struct haproxy_frontend *fe);

#endif
