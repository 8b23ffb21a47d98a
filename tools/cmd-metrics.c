// SPDX-License-Identifier: GPL-2.0
/*
 * All counters as OpenMetrics text, for Prometheus.
 *
 * Counters are given no type: their samples end in _total, and a TYPE for them
 * would have to be with that suffix for Prometheus' older text format, and
 * without it for OpenMetrics. So both read this.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "histogram.h"
#include "nl.h"
#include "print.h"
#include "request.h"
#include <kproxy_version.h>
#include "view.h"

struct family;
struct metric;

/* Print the samples of one object. */
typedef void (*samples_fn)(const struct family *family,
			   const struct metric *metric, const json_t *row);

/**
 * struct metric - a value of each object of a kind
 * @name: behind the kind's prefix; a counter's ends in _total
 * @key: where the value stands in the object
 * @help: what it is
 * @print: prints it, NULL for the number that @key says
 */
struct metric {
	const char *name;
	const char *key;
	const char *help;
	samples_fn print;
};

/* A label, and where its value stands in the object; the last has no name. */
struct label {
	const char *name;
	const char *key;
};

/**
 * struct family - all metrics of a kind of object
 * @prefix: of their names
 * @view: gets the objects
 * @labels: what tells one from another
 * @metrics: up to one without a name
 */
struct family {
	const char *prefix;
	const struct view *view;
	const struct label *labels;
	const struct metric *metrics;
};

/* A scope may be the name of any device. */
static void print_escaped(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putchar('\\');
		putchar(*text);
	}
}

static void print_label(const json_t *value)
{
	if (json_is_string(value))
		print_escaped(json_string_value(value));
	else
		print_value(stdout, value);
}

/*
 * Up to the value: a sample whose name ends in @suffix, with a label more if
 * @name is not NULL.
 */
static void print_sample_of(const struct family *family,
			    const struct metric *metric, const char *suffix,
			    const json_t *row, const char *name,
			    const char *value)
{
	const struct label *label = family->labels;
	const char *before = "{";

	printf("%s%s%s", family->prefix, metric->name, suffix);
	for (; label->name; label++) {
		printf("%s%s=\"", before, label->name);
		print_label(json_object_get(row, label->key));
		putchar('"');
		before = ",";
	}
	if (name) {
		printf("%s%s=\"%s\"", before, name, value);
		before = ",";
	}
	printf(*before == ',' ? "} " : " ");
}

static void print_sample(const struct family *family,
			 const struct metric *metric, const json_t *row,
			 const char *name, const char *value)
{
	print_sample_of(family, metric, "", row, name, value);
}

/* Nothing of an object that has none. */
static void print_if_any(const struct family *family,
			 const struct metric *metric, const json_t *row)
{
	if (!print_lookup(row, metric->key))
		return;
	print_sample(family, metric, row, NULL, NULL);
	printf("%" JSON_INTEGER_FORMAT "\n", print_number(row, metric->key));
}

static void print_us_as_seconds(json_int_t us)
{
	printf("%" JSON_INTEGER_FORMAT ".%06" JSON_INTEGER_FORMAT "\n",
	       us / 1000000, us % 1000000);
}

/* A bucket for each power of two, up to which all shorter ones are counted. */
static void print_histogram(const struct family *family,
			    const struct metric *metric, const json_t *row)
{
	const json_t *histogram = json_object_get(row, metric->key);
	json_int_t us = KPROXY_HISTOGRAM_FIRST, count;
	char end[32];
	int i;

	if (!histogram)
		return;
	count = print_number(histogram, "count");
	for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS / 2; i++, us *= 2) {
		snprintf(end, sizeof(end), "%.6f", us / 1000000.0);
		print_sample_of(family, metric, "_bucket", row, "le", end);
		printf("%" JSON_INTEGER_FORMAT "\n",
		       histogram_below(histogram, us));
	}
	print_sample_of(family, metric, "_bucket", row, "le", "+Inf");
	printf("%" JSON_INTEGER_FORMAT "\n", count);
	print_sample_of(family, metric, "_sum", row, NULL, NULL);
	print_us_as_seconds(print_number(histogram, "sum_us"));
	print_sample_of(family, metric, "_count", row, NULL, NULL);
	printf("%" JSON_INTEGER_FORMAT "\n", count);
}

static void print_plain(const struct family *family,
			const struct metric *metric, const json_t *row)
{
	print_sample(family, metric, row, NULL, NULL);
	printf("%" JSON_INTEGER_FORMAT "\n", print_number(row, metric->key));
}

/* Whether it is meant to take sessions, and can as far as is known. */
static void print_server_up(const struct family *family,
			    const struct metric *metric, const json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *health = json_string_value(json_object_get(row, "health"));
	bool up = !strcmp(state, "up") &&
		  (!strcmp(health, "up") || !strcmp(health, "unknown"));

	print_sample(family, metric, row, NULL, NULL);
	printf("%d\n", up);
}

/* Microseconds, in seconds. */
static void print_seconds(const struct family *family,
			  const struct metric *metric, const json_t *row)
{
	print_sample(family, metric, row, NULL, NULL);
	print_us_as_seconds(print_number(row, metric->key));
}

/* One for each reason. */
static void print_ends(const struct family *family,
		       const struct metric *metric, const json_t *row)
{
	const char *reason;
	json_t *value;

	json_object_foreach((json_t *)print_lookup(row, metric->key), reason,
			    value) {
		print_sample(family, metric, row, "reason", reason);
		printf("%" JSON_INTEGER_FORMAT "\n",
		       json_integer_value(value));
	}
}

static const struct metric totals[] = {
	{ "active_sessions", "sessions", "Sessions alive.", NULL },
	{ "sessions_total", "sessions_total", "Sessions begun.", NULL },
	{ "refused_total", "refused", "Clients turned away.", NULL },
	{ "connect_failures_total", "connect_failures",
	  "Connects to a server that failed.", NULL },
	{ "bytes_in_total", "bytes_in", "Bytes from clients to servers.",
	  NULL },
	{ "bytes_out_total", "bytes_out", "Bytes from servers to clients.",
	  NULL },
	{ "bytes_spliced_total", "bytes_spliced",
	  "Bytes handed over by page reference.", NULL },
	{ "bytes_copied_total", "bytes_copied", "Bytes copied.", NULL },
	{ "pumps_inline_total", "pumps_inline",
	  "Runs of a pump that were not put off.", NULL },
	{ "pumps_deferred_total", "pumps_deferred",
	  "Runs of a pump put off because a lock was busy.", NULL },
	{ "ends_total", "ends", "Sessions ended, by reason.",
	  print_ends },
	{ "stall_client_seconds_total", "stall_client_us",
	  "Time that clients did not take what was theirs.", print_seconds },
	{ "stall_server_seconds_total", "stall_server_us",
	  "Time that servers did not take what was theirs.", print_seconds },
	{}
};

static const struct metric of_listener[] = {
	{ "active_sessions", "stats.sessions", "Sessions alive.", NULL },
	{ "sessions_total", "stats.sessions_total", "Sessions begun.", NULL },
	{ "refused_total", "stats.refused", "Clients turned away.", NULL },
	{ "connect_failures_total", "stats.connect_failures",
	  "Connects to a server that failed.", NULL },
	{ "bytes_in_total", "stats.bytes_in", "Bytes from clients.", NULL },
	{ "bytes_out_total", "stats.bytes_out", "Bytes to clients.", NULL },
	{ "ends_total", "stats.ends", "Sessions ended, by reason.",
	  print_ends },
	{ "stall_client_seconds_total", "stats.stall_client_us",
	  "Time that clients did not take what was theirs.", print_seconds },
	{ "stall_server_seconds_total", "stats.stall_server_us",
	  "Time that servers did not take what was theirs.", print_seconds },
	{}
};

static const struct metric of_server[] = {
	{ "up", NULL, "1 if it takes new sessions.", print_server_up },
	{ "weight", "weight", "Its share of new sessions.", NULL },
	{ "active_sessions", "stats.sessions", "Sessions alive.", NULL },
	{ "sessions_total", "stats.sessions_total", "Sessions begun.", NULL },
	{ "connect_failures_total", "stats.connect_failures",
	  "Connects to it that failed.", NULL },
	{ "bytes_in_total", "stats.bytes_in", "Bytes to it.", NULL },
	{ "bytes_out_total", "stats.bytes_out", "Bytes from it.", NULL },
	{ "preconnect_ready", "preconnect.ready",
	  "Idle connections that a session can take.", print_if_any },
	{ "preconnect_used_total", "preconnect.used",
	  "Sessions that took an idle connection.", print_if_any },
	{ "preconnect_missed_total", "preconnect.missed",
	  "Sessions that found no idle connection.", print_if_any },
	{ "connect_time_seconds", "connect_time",
	  "How long it took to connect.", print_histogram },
	{ "session_time_seconds", "session_time", "How long sessions lived.",
	  print_histogram },
	{ "ends_total", "stats.ends", "Sessions ended, by reason.",
	  print_ends },
	{ "stall_client_seconds_total", "stats.stall_client_us",
	  "Time that clients did not take what was theirs.", print_seconds },
	{ "stall_server_seconds_total", "stats.stall_server_us",
	  "Time that servers did not take what was theirs.", print_seconds },
	{}
};

static const struct metric of_pool[] = {
	{ "pages", "pages", "Pages preallocated.", NULL },
	{ "pages_free", "pages_free", "Of these, nobody else holds.", NULL },
	{ "sessions", "sessions", "Sessions preallocated.", NULL },
	{ "sessions_free", "sessions_free", "Of these, ready for use.", NULL },
	{ "page_refills_total", "page_refills",
	  "Times that the next page was taken.", NULL },
	{ "session_refills_total", "session_refills",
	  "Times that returned sessions were taken.", NULL },
	{ "fallbacks_total", "fallbacks", "Times that the pool was empty.",
	  NULL },
	{}
};

static const struct label no_labels[] = { {} };
static const struct label listener_labels[] = { { "listener", "name" }, {} };
static const struct label server_labels[] = {
	{ "upstream", "upstream" }, { "server", "address" }, {}
};

static const struct label pool_labels[] = { { "cpu", "cpu" }, {} };

static const struct family families[] = {
	{ "kproxy_", &stats_view, no_labels, totals },
	{ "kproxy_listener_", &listener_view, listener_labels, of_listener },
	{ "kproxy_server_", &server_view, server_labels, of_server },
	{ "kproxy_pool_", &pool_view, pool_labels, of_pool },
};

static bool is_counter(const char *name)
{
	static const char suffix[] = "_total";
	size_t len = strlen(name);

	return len >= sizeof(suffix) &&
	       !strcmp(name + len - strlen(suffix), suffix);
}

static bool is_histogram(const char *name)
{
	static const char suffix[] = "_time_seconds";
	size_t len = strlen(name);

	return len >= sizeof(suffix) &&
	       !strcmp(name + len - strlen(suffix), suffix);
}

static void print_metric(const struct family *family,
			 const struct metric *metric, const json_t *rows)
{
	const json_t *row;
	size_t i;

	if (!is_counter(metric->name))
		printf("# TYPE %s%s %s\n", family->prefix, metric->name,
		       is_histogram(metric->name) ? "histogram" : "gauge");
	printf("# HELP %s%s %s\n", family->prefix, metric->name, metric->help);
	json_array_foreach(rows, i, row)
		(metric->print ? metric->print : print_plain)(family, metric,
							      row);
}

static int print_family(struct ctx *ctx, const struct family *family)
{
	const struct metric *metric;
	json_t *rows = json_array();
	int status;

	status = view_rows(ctx, family->view, rows);
	if (!status && json_array_size(rows))
		for (metric = family->metrics; metric->name; metric++)
			print_metric(family, metric, rows);
	json_decref(rows);
	return status;
}

static int print_metrics(struct ctx *ctx)
{
	size_t i;
	int status = STATUS_DONE;

	/* The decoders leave out what was not asked for. */
	ctx->stats = true;
	for (i = 0; !status && i < ARRAY_SIZE(families); i++)
		status = print_family(ctx, &families[i]);
	if (status)
		return status;
	printf("# TYPE kproxy_build_info gauge\n"
	       "# HELP kproxy_build_info The version of this command.\n"
	       "kproxy_build_info{version=\"%s\"} 1\n"
	       "# EOF\n", KPROXY_VERSION);
	return print_flush(ctx);
}

static int metrics_run(struct ctx *ctx, struct args *args)
{
	int status;

	status = args_end(ctx, args);
	if (!status)
		status = nl_open(ctx);
	return status ? status : print_metrics(ctx);
}

const struct object metrics_object = {
	.name = "metrics",
	.usage = "  kproxy metrics\n",
	.run = metrics_run,
};
