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
#include "field.h"
#include "histogram.h"
#include "nl.h"
#include "print.h"
#include "request.h"
#include "text.h"
#include <kproxy_version.h>
#include "view.h"

/* A label, and where its value stands in the object; the last has no name. */
struct label {
	const char *name;
	const char *key;
};

struct family;
struct format;

/**
 * struct family - all metrics of a kind of object
 * @prefix: of their names
 * @view: gets the objects; metrics are made of its fields
 * @labels: what tells one object from another
 * @more: prints metrics that no single field has, or NULL
 */
struct family {
	const char *prefix;
	const struct view *view;
	const struct label *labels;
	void (*more)(const struct format *format, const struct family *family,
		     const json_t *rows);
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
 * Up to the value: a sample whose name ends in @suffix, with one more label if
 * @name is not NULL.
 */
static void print_sample(const struct family *family, const char *metric,
			 const char *suffix, const json_t *row,
			 const char *name, const char *value)
{
	const struct label *label = family->labels;
	const char *before = "{";
	const json_t *label_value;

	printf("%s%s%s", family->prefix, metric, suffix);
	for (; label->name; label++) {
		label_value = json_object_get(row, label->key);
		/* A server need not have a name. */
		if (!label_value)
			continue;
		printf("%s%s=\"", before, label->name);
		print_label(label_value);
		putchar('"');
		before = ",";
	}
	if (name) {
		printf("%s%s=\"%s\"", before, name, value);
		before = ",";
	}
	printf(*before == ',' ? "} " : " ");
}

static void print_integer(json_int_t value)
{
	printf("%" JSON_INTEGER_FORMAT "\n", value);
}

static void print_us_as_seconds(json_int_t us)
{
	printf("%" JSON_INTEGER_FORMAT ".%06" JSON_INTEGER_FORMAT "\n",
	       us / 1000000, us % 1000000);
}

/* Print the samples of one object, whose field has @value. */
typedef void (*samples_fn)(const struct family *family, const char *metric,
			   const json_t *row, const json_t *value);

static void print_number_samples(const struct family *family,
				 const char *metric, const json_t *row,
				 const json_t *value)
{
	print_sample(family, metric, "", row, NULL, NULL);
	print_integer(json_integer_value(value));
}

static void print_us_samples(const struct family *family, const char *metric,
			     const json_t *row, const json_t *value)
{
	print_sample(family, metric, "", row, NULL, NULL);
	print_us_as_seconds(json_integer_value(value));
}

/* One for each reason. */
static void print_reason_samples(const struct family *family,
				 const char *metric, const json_t *row,
				 const json_t *value)
{
	const char *reason;
	json_t *count;

	json_object_foreach((json_t *)value, reason, count) {
		print_sample(family, metric, "", row, "reason", reason);
		print_integer(json_integer_value(count));
	}
}

/* A bucket for each power of two, which counts all that are shorter. */
static void print_histogram_samples(const struct family *family,
				    const char *metric, const json_t *row,
				    const json_t *value)
{
	json_int_t us = KPROXY_HISTOGRAM_FIRST;
	char end[32];
	int i;

	for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS / 2; i++, us *= 2) {
		snprintf(end, sizeof(end), "%.6f", us / 1000000.0);
		print_sample(family, metric, "_bucket", row, "le", end);
		print_integer(histogram_below(value, us));
	}
	print_sample(family, metric, "_bucket", row, "le", "+Inf");
	print_integer(print_number(value, "count"));
	print_sample(family, metric, "_sum", row, NULL, NULL);
	print_us_as_seconds(print_number(value, "sum_us"));
	print_sample(family, metric, "_count", row, NULL, NULL);
	print_integer(print_number(value, "count"));
}

static samples_fn samples_of(const struct field_type *type)
{
	if (type == &field_us)
		return print_us_samples;
	if (type == &field_by_word)
		return print_reason_samples;
	if (type == &field_histogram)
		return print_histogram_samples;
	return print_number_samples;
}

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

/* An object that lacks the field has no sample. */
static void print_field(const struct format *format,
			const struct family *family, const struct field *field,
			const char *nest, const json_t *rows)
{
	samples_fn print = samples_of(field->type);
	const json_t *row, *value;
	size_t i;

	print_head(format, family->prefix, field->metric, field->help);
	json_array_foreach(rows, i, row) {
		value = nest ? json_object_get(row, nest) : row;
		value = json_object_get(value, field->key);
		if (value)
			print(family, field->metric, row, value);
	}
}

/* @nest is the key of the object in each row that has the fields, or NULL. */
static void print_fields(const struct format *format,
			 const struct family *family,
			 const struct field *fields, unsigned int scope,
			 const char *nest, const json_t *rows)
{
	const struct field *field;

	for (field = fields; field->key; field++) {
		if (!field_is_in(field, scope))
			continue;
		if (field->metric)
			print_field(format, family, field, nest, rows);
		if (field->nested)
			print_fields(format, family, field->nested,
				     field->nested_scope, field->key, rows);
	}
}

/* Whether it is meant to take sessions, and can as far as is known. */
static bool server_is_up(const json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *health = json_string_value(json_object_get(row, "health"));

	return !strcmp(state, "up") &&
	       (!strcmp(health, "up") || !strcmp(health, "unknown"));
}

static void print_server(const struct format *format,
			 const struct family *family, const json_t *rows)
{
	const json_t *row;
	size_t i;

	print_head(format, family->prefix, "up",
		   "1 if it takes new sessions.");
	json_array_foreach(rows, i, row) {
		print_sample(family, "up", "", row, NULL, NULL);
		print_integer(server_is_up(row));
	}
	print_head(format, family->prefix, "weight",
		   "Its share of new sessions.");
	json_array_foreach(rows, i, row)
		print_number_samples(family, "weight", row,
				     json_object_get(row, "weight"));
}

static const struct label no_labels[] = { {} };
static const struct label listener_labels[] = { { "listener", "name" }, {} };
static const struct label server_labels[] = {
	{ "upstream", "upstream" }, { "server", "address" },
	{ "name", "name" }, {}
};

static const struct label pool_labels[] = { { "cpu", "cpu" }, {} };

static const struct family families[] = {
	{ "kproxy_", &stats_view, no_labels, NULL },
	{ "kproxy_listener_", &listener_view, listener_labels, NULL },
	{ "kproxy_server_", &server_view, server_labels, print_server },
	{ "kproxy_pool_", &pool_view, pool_labels, NULL },
};

static int print_family(struct ctx *ctx, const struct format *format,
			const struct family *family)
{
	const struct view *view = family->view;
	json_t *rows = json_array();
	int status;

	status = view_rows(ctx, view, rows);
	if (!status && json_array_size(rows)) {
		if (family->more)
			family->more(format, family, rows);
		print_fields(format, family, view->fields, view->scope, NULL,
			     rows);
	}
	json_decref(rows);
	return status;
}

static int print_metrics(struct ctx *ctx, const struct format *format)
{
	size_t i;
	int status = STATUS_DONE;

	/* Without it no counter is decoded. */
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
