/* SPDX-License-Identifier: GPL-2.0 */
/* What the files that read HAProxy's configuration share. */
#ifndef KPROXY_HAPROXY_H
#define KPROXY_HAPROXY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lines.h"

struct import;

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

/* Cut ADDR:PORT at its last colon, in place; @port is empty if there is none. */
void haproxy_split(char *text, const char **host, const char **port);

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

#endif
