// SPDX-License-Identifier: GPL-2.0
/*
 * All counters as text, in one of two formats, whose samples are the same:
 *
 * - OpenMetrics 1.0: a family of counters is named without the _total of its
 *   samples, one of information without _info; families may have a unit; the
 *   text ends in "# EOF".
 * - Prometheus 0.0.4: each name stands for itself, there are no units, and
 *   information is a gauge.
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
#include "text.h"
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

/* A byte that is not printable becomes \\xNN, so that its value is \xNN. */
static void print_escaped(const char *text)
{
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = text_printable(text);
		if (*text == '\\' || *text == '"')
			putchar('\\');
		if (len)
			fwrite(text, 1, len, stdout);
		else
			printf("\\\\x%02x", (unsigned char)*text);
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

/**
 * struct kind - a type of metrics
 * @suffix: of the names of its samples; the first that fits counts
 * @type: what Prometheus calls it
 * @open_type: what OpenMetrics calls it
 * @cut: in OpenMetrics the family's name lacks the suffix
 */
static const struct kind {
	const char *suffix;
	const char *type;
	const char *open_type;
	bool cut;
} kinds[] = {
	{ "_total", "counter", "counter", true },
	{ "_info", "gauge", "info", true },
	{ "_time_seconds", "histogram", "histogram", false },
	{ "", "gauge", "gauge", false },
};

/**
 * struct format - how the text looks
 * @name: as typed
 * @open: it is OpenMetrics
 */
static const struct format {
	const char *name;
	bool open;
} formats[] = {
	{ "openmetrics", true },
	{ "prometheus", false },
};

/* Length of @name without @suffix, or -1 if it does not end in it. */
static int stem(const char *name, int len, const char *suffix)
{
	int rest = len - (int)strlen(suffix);

	return rest >= 0 && !strncmp(name + rest, suffix, strlen(suffix)) ?
		       rest : -1;
}

static const struct kind *kind_of(const char *name)
{
	const struct kind *kind = kinds;

	while (stem(name, strlen(name), kind->suffix) < 0)
		kind++;
	return kind;
}

/* What stands before the samples of a family. */
static void print_head(const struct format *format, const char *prefix,
		       const char *name, const char *help)
{
	const struct kind *kind = kind_of(name);
	int len = strlen(name);

	if (format->open && kind->cut)
		len = stem(name, len, kind->suffix);
	printf("# TYPE %s%.*s %s\n", prefix, len, name,
	       format->open ? kind->open_type : kind->type);
	if (format->open && stem(name, len, "_seconds") >= 0)
		printf("# UNIT %s%.*s seconds\n", prefix, len, name);
	printf("# HELP %s%.*s %s\n", prefix, len, name, help);
}

static void print_metric(const struct format *format,
			 const struct family *family,
			 const struct metric *metric, const json_t *rows)
{
	const json_t *row;
	size_t i;

	print_head(format, family->prefix, metric->name, metric->help);
	json_array_foreach(rows, i, row)
		(metric->print ? metric->print : print_plain)(family, metric,
							      row);
}

static int print_family(struct ctx *ctx, const struct format *format,
			const struct family *family)
{
	const struct metric *metric;
	json_t *rows = json_array();
	int status;

	status = view_rows(ctx, family->view, rows);
	if (!status && json_array_size(rows))
		for (metric = family->metrics; metric->name; metric++)
			print_metric(format, family, metric, rows);
	json_decref(rows);
	return status;
}

static int print_metrics(struct ctx *ctx, const struct format *format)
{
	size_t i;
	int status = STATUS_DONE;

	/* The decoders leave out what was not asked for. */
	ctx->stats = true;
	for (i = 0; !status && i < ARRAY_SIZE(families); i++)
		status = print_family(ctx, format, &families[i]);
	if (status)
		return status;
	print_head(format, "kproxy_", "build_info",
		   "The version of this command.");
	printf("kproxy_build_info{version=\"%s\"} 1\n", KPROXY_VERSION);
	if (format->open)
		puts("# EOF");
	return print_flush(ctx);
}

static int parse_format(const struct ctx *ctx, struct args *args,
			const struct format **format)
{
	const char *word = args_next(args);
	size_t i;

	*format = formats;
	if (!word)
		return STATUS_DONE;
	if (strcmp(word, "format"))
		return ctx_refuse(ctx, "unexpected \"%s\"", word);
	word = args_next(args);
	if (!word)
		return ctx_refuse(ctx, "format needs a value");
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		*format = &formats[i];
		if (!strcmp(word, formats[i].name))
			return args_end(ctx, args);
	}
	return ctx_refuse(ctx, "format %s: must be openmetrics or prometheus",
			  word);
}

static int metrics_run(struct ctx *ctx, struct args *args)
{
	const struct format *format;
	int status;

	status = parse_format(ctx, args, &format);
	if (!status)
		status = nl_open(ctx);
	return status ? status : print_metrics(ctx, format);
}

const struct object metrics_object = {
	.name = "metrics",
	.usage = "  kproxy metrics [format openmetrics | prometheus]\n",
	.run = metrics_run,
};
