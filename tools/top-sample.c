// SPDX-License-Identifier: GPL-2.0
#include "top-sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "cmd.h"
#include "ctx.h"
#include "view.h"

#define USEC_PER_SEC 1000000

/* A side is slow that is waited for during so much of the time. */
#define SLOW_PERCENT 5

static void set_number(json_t *row, const char *key, json_int_t value)
{
	json_object_set_new(row, key, json_integer(value));
}

/* A counter may have been reset meanwhile. */
static json_int_t per_second(json_int_t now, json_int_t last, uint64_t us)
{
	return now > last && us ? (now - last) * USEC_PER_SEC / us : 0;
}

static void find_rates(struct top_sample *sample, const struct top_sample *last)
{
	const char *key;
	json_t *value;

	sample->rates = json_object();
	json_object_foreach(sample->totals, key, value) {
		if (!json_is_integer(value))
			continue;
		set_number(sample->rates, key,
			   last->totals ?
			   per_second(json_integer_value(value),
				      print_number(last->totals, key),
				      sample->us - last->us) : 0);
	}
}

/*
 * Add the rates since the last sample. A session that the last sample lacks
 * began after it. The first sample has no rates.
 */
static void add_rates(json_t *row, const json_t *before, bool first,
		      uint64_t us)
{
	json_int_t in = 0, out = 0;

	if (!first) {
		in = per_second(print_number(row, "bytes_in"),
				print_number(before, "bytes_in"), us);
		out = per_second(print_number(row, "bytes_out"),
				 print_number(before, "bytes_out"), us);
	}
	set_number(row, "in_per_s", in);
	set_number(row, "out_per_s", out);
	set_number(row, "rate", in + out);
}

/* Which part of the time since the last sample a side was waited for. */
static json_int_t stalled(const json_t *row, const json_t *before,
			  const char *key, uint64_t us)
{
	json_int_t part = per_second(print_number(row, key),
				     print_number(before, key), us) /
			  (USEC_PER_SEC / 100);

	return part < 100 ? part : 100;
}

/*
 * The side that was waited for longer. A session that was not in the last sample
 * may have waited before, as all have in the first.
 */
static void add_slow_side(json_t *row, const json_t *before, uint64_t us)
{
	json_int_t client = 0, server = 0, most;
	const char *side = "";

	if (before) {
		client = stalled(row, before, "stall_client_us", us);
		server = stalled(row, before, "stall_server_us", us);
	}
	most = client > server ? client : server;
	if (most >= SLOW_PERCENT)
		side = client >= server ? "client" : "server";
	json_object_set_new(row, "slow", json_string(side));
	set_number(row, "wait", most);
}

static void complete_session(json_t *row)
{
	set_number(row, "retrans", print_number(row, "client_tcp.retrans") +
		   print_number(row, "server_tcp.retrans"));
}

static void index_sessions(struct top_sample *sample,
			   const struct top_sample *last)
{
	char id[sizeof("18446744073709551615")];
	json_t *row, *before;
	size_t i;

	sample->by_id = json_object();
	json_array_foreach(sample->sessions, i, row) {
		snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT,
			 print_number(row, "id"));
		before = json_object_get(last->by_id, id);
		add_rates(row, before, !last->by_id, sample->us - last->us);
		add_slow_side(row, before, sample->us - last->us);
		complete_session(row);
		json_object_set(sample->by_id, id, row);
	}
}

void top_sample_free(struct top_sample *sample)
{
	json_decref(sample->totals);
	json_decref(sample->rates);
	json_decref(sample->pools);
	json_decref(sample->away);
	json_decref(sample->sessions);
	json_decref(sample->by_id);
}

/* Fill @away with the servers whose health keeps sessions from them. */
static int find_away(struct ctx *ctx, json_t *away)
{
	json_t *servers = json_array(), *row;
	int status = view_sample(ctx, &server_view, servers);
	const char *health;
	size_t i;

	json_array_foreach(servers, i, row) {
		health = json_string_value(json_object_get(row, "health"));
		if (!strcmp(health, "ejected") || !strcmp(health, "down"))
			json_array_append(away, row);
	}
	json_decref(servers);
	return status;
}

int top_sample_take(struct ctx *ctx, struct top_sample *sample)
{
	json_t *totals = json_array();
	struct top_sample next = {
		.us = clock_us(),
		.pools = json_array(),
		.away = json_array(),
		.sessions = json_array(),
	};
	int status;

	status = view_sample(ctx, &stats_view, totals);
	if (!status)
		status = view_sample(ctx, &pool_view, next.pools);
	if (!status)
		status = find_away(ctx, next.away);
	if (!status)
		status = view_sample(ctx, &session_view, next.sessions);
	if (!status) {
		next.totals = json_incref(json_array_get(totals, 0));
		find_rates(&next, sample);
		index_sessions(&next, sample);
		top_sample_free(sample);
		*sample = next;
	} else {
		top_sample_free(&next);
	}
	json_decref(totals);
	return status;
}

/* Groups of sessions */

/**
 * struct grouping - how sessions are put together
 * @key: what they share, the peer
 * @tcp: the connection to it
 * @port: it is an address with a port, of which only the address counts
 */
static const struct grouping {
	const char *key;
	const char *tcp;
	bool port;
} groupings[] = {
	[TOP_SERVERS] = { .key = "server", .tcp = "server_tcp" },
	[TOP_CLIENTS] = { .key = "client", .tcp = "client_tcp", .port = true },
};

/* The peer; NULL for a session without one, as while it waits for a server. */
static json_t *common(const struct grouping *grouping, const json_t *session)
{
	const json_t *value = json_object_get(session, grouping->key);
	const char *text = json_string_value(value);
	const char *end;

	if (!text || !*text)
		return NULL;
	end = grouping->port ? strrchr(text, ':') : NULL;
	return json_stringn(text, end ? (size_t)(end - text) : strlen(text));
}

static void add_to(json_t *group, const char *key, json_int_t value)
{
	set_number(group, key, print_number(group, key) + value);
}

/* A group has the largest round-trip time: a mean would hide slow ones. */
static void add_session(json_t *group, const struct grouping *grouping,
			const json_t *session)
{
	const json_t *tcp = json_object_get(session, grouping->tcp);
	json_int_t rtt = print_number(tcp, "rtt_us");

	add_to(group, "sessions", 1);
	add_to(group, "in_per_s", print_number(session, "in_per_s"));
	add_to(group, "out_per_s", print_number(session, "out_per_s"));
	add_to(group, "rate", print_number(session, "rate"));
	add_to(group, "retrans", print_number(tcp, "retrans"));
	add_to(group, "sndq", print_number(tcp, "sndq"));
	if (rtt > print_number(group, "rtt_us") ||
	    !json_object_get(group, "rtt_us"))
		set_number(group, "rtt_us", rtt);
}

static json_t *find_group(json_t *groups, json_t *name)
{
	const char *text = json_string_value(name);
	json_t *group = json_object_get(groups, text);

	if (!group) {
		group = json_object();
		json_object_set(group, "peer", name);
		json_object_set_new(groups, text, group);
	}
	return group;
}

static json_t *group_sessions(const json_t *sessions,
			      const struct grouping *grouping)
{
	json_t *groups = json_object(), *rows = json_array();
	json_t *session, *name, *group;
	const char *key;
	size_t i;

	json_array_foreach((json_t *)sessions, i, session) {
		name = common(grouping, session);
		if (!name)
			continue;
		group = find_group(groups, name);
		add_session(group, grouping, session);
		json_decref(name);
	}
	json_object_foreach(groups, key, group)
		json_array_append(rows, group);
	json_decref(groups);
	return rows;
}

/* The order of the lines */

/**
 * struct line - a row that is sorted
 * @row: what is moved
 * @value: what it is compared by, NULL when it has none
 * @reverse: the same for all
 */
struct line {
	json_t *row;
	const json_t *value;
	bool reverse;
};

static int compare_numbers(json_int_t a, json_int_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int order;

	if (json_is_string(a->value) && json_is_string(b->value))
		order = strcmp(json_string_value(a->value),
			       json_string_value(b->value));
	else
		order = compare_numbers(json_integer_value(a->value),
					json_integer_value(b->value));
	return a->reverse ? -order : order;
}

static json_t *sort(const json_t *rows, const char *key, bool reverse)
{
	size_t n = json_array_size(rows), i;
	struct line *lines = xgrow(NULL, n + 1, sizeof(*lines));
	json_t *sorted = json_array();

	for (i = 0; i < n; i++) {
		lines[i].row = json_array_get(rows, i);
		lines[i].value = print_lookup(lines[i].row, key);
		lines[i].reverse = reverse;
	}
	qsort(lines, n, sizeof(*lines), compare);
	for (i = 0; i < n; i++)
		json_array_append(sorted, lines[i].row);
	free(lines);
	return sorted;
}

json_t *top_rows(const struct top_sample *sample, enum top_subject subject,
		 const char *key, bool reverse)
{
	json_t *rows, *sorted;

	if (subject == TOP_SESSIONS)
		return sort(sample->sessions, key, reverse);
	rows = group_sessions(sample->sessions, &groupings[subject]);
	sorted = sort(rows, key, reverse);
	json_decref(rows);
	return sorted;
}

#define BYTES(name, value) \
	{ .title = name, .key = value, .text = print_bytes, .right = true }
#define NUMBER(name, value) \
	{ .title = name, .key = value, .right = true }
#define AGE(name, value) \
	{ .title = name, .key = value, .text = print_age, .right = true }

static const struct column session_columns[] = {
	NUMBER("ID", "id"),
	{ .title = "LISTENER", .key = "listener" },
	{ .title = "CLIENT", .key = "client" },
	{ .title = "SERVER", .key = "server" },
	{ .title = "SLOW", .key = "slow" },
	NUMBER("WAIT%", "wait"),
	BYTES("RATE/S", "rate"),
	BYTES("IN/S", "in_per_s"),
	BYTES("OUT/S", "out_per_s"),
	NUMBER("C-RTT-US", "client_tcp.rtt_us"),
	NUMBER("S-RTT-US", "server_tcp.rtt_us"),
	BYTES("TO-CLIENT", "client_tcp.sndq"),
	BYTES("TO-SERVER", "server_tcp.sndq"),
	NUMBER("RETRANS", "retrans"),
	AGE("AGE", "age_ms"),
	AGE("IDLE", "idle_ms"),
	{ .title = "STATE", .key = "state" },
	{}
};

static const struct column peer_columns[] = {
	{ .title = "PEER", .key = "peer" },
	NUMBER("SESSIONS", "sessions"),
	BYTES("RATE/S", "rate"),
	BYTES("IN/S", "in_per_s"),
	BYTES("OUT/S", "out_per_s"),
	NUMBER("RTT-US", "rtt_us"),
	BYTES("UNSENT", "sndq"),
	NUMBER("RETRANS", "retrans"),
	{}
};

static const struct column away_columns[] = {
	{ .title = "AWAY", .key = "address" },
	{ .title = "NAME", .key = "name" },
	{ .title = "UPSTREAM", .key = "upstream" },
	{ .title = "HEALTH", .cell = server_print_health },
	{}
};

const struct table top_away_table = { .columns = away_columns };

const struct table top_tables[TOP_SUBJECTS] = {
	[TOP_SESSIONS] = { .columns = session_columns },
	[TOP_SERVERS] = { .columns = peer_columns },
	[TOP_CLIENTS] = { .columns = peer_columns },
};
