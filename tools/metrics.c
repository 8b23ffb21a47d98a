// SPDX-License-Identifier: GPL-2.0
/*
 * All counters as text, in one of two formats, whose samples are the same:
 *
 * - OpenMetrics 1.0: a family of counters is named without the _total of its
 *   samples, one of information without _info; a family whose name ends in a
 *   unit has that unit; the text ends in "# EOF".
 * - Prometheus 0.0.4: each name stands for itself, there are no units, and
 *   information is a gauge.
 */
#include "metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <kproxy_version.h>
#include <linux/kproxy.h>

#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "histogram.h"
#include "print.h"
#include "request.h"
#include "text.h"
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
	void (*more)(FILE *out, const struct format *format,
		     const struct family *family, const json_t *rows);
};

/* A byte that is not printable becomes \\xNN, so that its value is \xNN. */
static void print_escaped(FILE *out, const char *text)
{
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = text_printable(text);
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		if (len)
			fwrite(text, 1, len, out);
		else
			fprintf(out, "\\\\x%02x", (unsigned char)*text);
	}
}

static void print_label(FILE *out, const json_t *value)
{
	if (json_is_string(value))
		print_escaped(out, json_string_value(value));
	else
		print_value(out, value);
}

/*
 * Up to the value: a sample whose name ends in @suffix, with one more label if
 * @name is not NULL.
 */
static void print_sample(FILE *out, const struct family *family,
			 const char *metric, const char *suffix,
			 const json_t *row, const char *name,
			 const char *value)
{
	const struct label *label = family->labels;
	const char *before = "{";
	const json_t *label_value;

	fprintf(out, "%s%s%s", family->prefix, metric, suffix);
	for (; label->name; label++) {
		label_value = json_object_get(row, label->key);
		/* A server need not have a name. */
		if (!label_value)
			continue;
		fprintf(out, "%s%s=\"", before, label->name);
		print_label(out, label_value);
		fputc('"', out);
		before = ",";
	}
	if (name) {
		fprintf(out, "%s%s=\"%s\"", before, name, value);
		before = ",";
	}
	fprintf(out, *before == ',' ? "} " : " ");
}

static void print_integer(FILE *out, json_int_t value)
{
	fprintf(out, "%" JSON_INTEGER_FORMAT "\n", value);
}

static void print_us_as_seconds(FILE *out, json_int_t us)
{
	fprintf(out, "%" JSON_INTEGER_FORMAT ".%06" JSON_INTEGER_FORMAT "\n",
		us / 1000000, us % 1000000);
}

/* Print the samples of one object, whose field has @value. */
typedef void (*samples_fn)(FILE *out, const struct family *family,
			   const char *metric, const json_t *row,
			   const json_t *value);

static void print_number_samples(FILE *out, const struct family *family,
				 const char *metric, const json_t *row,
				 const json_t *value)
{
	print_sample(out, family, metric, "", row, NULL, NULL);
	print_integer(out, json_integer_value(value));
}

static void print_us_samples(FILE *out, const struct family *family,
			     const char *metric, const json_t *row,
			     const json_t *value)
{
	print_sample(out, family, metric, "", row, NULL, NULL);
	print_us_as_seconds(out, json_integer_value(value));
}

/* One for each reason. */
static void print_reason_samples(FILE *out, const struct family *family,
				 const char *metric, const json_t *row,
				 const json_t *value)
{
	const char *reason;
	json_t *count;

	json_object_foreach((json_t *)value, reason, count) {
		print_sample(out, family, metric, "", row, "reason", reason);
		print_integer(out, json_integer_value(count));
	}
}

/* A bucket for each power of two, which counts all that are shorter. */
static void print_histogram_samples(FILE *out, const struct family *family,
				    const char *metric, const json_t *row,
				    const json_t *value)
{
	json_int_t us = KPROXY_HISTOGRAM_FIRST;
	char end[32];
	int i;

	for (i = 0; i < KPROXY_HISTOGRAM_BUCKETS / 2; i++, us *= 2) {
		snprintf(end, sizeof(end), "%.6f", us / 1000000.0);
		print_sample(out, family, metric, "_bucket", row, "le", end);
		print_integer(out, histogram_below(value, us));
	}
	print_sample(out, family, metric, "_bucket", row, "le", "+Inf");
	print_integer(out, print_number(value, "count"));
	print_sample(out, family, metric, "_sum", row, NULL, NULL);
	print_us_as_seconds(out, print_number(value, "sum_us"));
	print_sample(out, family, metric, "_count", row, NULL, NULL);
	print_integer(out, print_number(value, "count"));
}

static const samples_fn samples[] = {
	[SAMPLES_NUMBER] = print_number_samples,
	[SAMPLES_SECONDS] = print_us_samples,
	[SAMPLES_BY_WORD] = print_reason_samples,
	[SAMPLES_HISTOGRAM] = print_histogram_samples,
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
 * @open: it is OpenMetrics
 */
static const struct format {
	bool open;
} formats[] = {
	[METRICS_OPENMETRICS] = { .open = true },
	[METRICS_PROMETHEUS] = { .open = false },
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

static void print_unit(FILE *out, const char *prefix, const char *name, int len)
{
	static const char *const units[] = { "seconds", "bytes" };
	char suffix[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		snprintf(suffix, sizeof(suffix), "_%s", units[i]);
		if (stem(name, len, suffix) >= 0)
			fprintf(out, "# UNIT %s%.*s %s\n", prefix, len, name,
				units[i]);
	}
}

/* What stands before the samples of a family. */
static void print_head(FILE *out, const struct format *format,
		       const char *prefix, const char *name, const char *help)
{
	const struct kind *kind = kind_of(name);
	int len = strlen(name);

	if (format->open && kind->cut)
		len = stem(name, len, kind->suffix);
	fprintf(out, "# TYPE %s%.*s %s\n", prefix, len, name,
		format->open ? kind->open_type : kind->type);
	if (format->open)
		print_unit(out, prefix, name, len);
	fprintf(out, "# HELP %s%.*s %s\n", prefix, len, name, help);
}

/* An object that lacks the field has no sample. */
static void print_field(FILE *out, const struct format *format,
			const struct family *family, const struct field *field,
			const char *nest, const json_t *rows)
{
	samples_fn print = samples[field->type->samples];
	const json_t *row, *value;
	size_t i;

	print_head(out, format, family->prefix, field->metric, field->help);
	json_array_foreach(rows, i, row) {
		value = nest ? json_object_get(row, nest) : row;
		value = json_object_get(value, field->key);
		if (value)
			print(out, family, field->metric, row, value);
	}
}

/* @nest is the key of the object in each row that has the fields, or NULL. */
static void print_fields(FILE *out, const struct format *format,
			 const struct family *family,
			 const struct field *fields, unsigned int scope,
			 const char *nest, const json_t *rows)
{
	const struct field *field;

	for (field = fields; field->key; field++) {
		if (!field_is_in(field, scope))
			continue;
		if (field->metric)
			print_field(out, format, family, field, nest, rows);
		if (field->nested)
			print_fields(out, format, family, field->nested,
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

static void print_server(FILE *out, const struct format *format,
			 const struct family *family, const json_t *rows)
{
	const json_t *row;
	size_t i;

	print_head(out, format, family->prefix, "up",
		   "1 if it takes new sessions.");
	json_array_foreach(rows, i, row) {
		print_sample(out, family, "up", "", row, NULL, NULL);
		print_integer(out, server_is_up(row));
	}
	print_head(out, format, family->prefix, "weight",
		   "Its share of new sessions.");
	json_array_foreach(rows, i, row)
		print_number_samples(out, family, "weight", row,
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

static int print_family(struct ctx *ctx, FILE *out,
			const struct format *format,
			const struct family *family)
{
	const struct view *view = family->view;
	json_t *rows = json_array();
	int status;

	status = view_rows(ctx, view, rows);
	if (!status && json_array_size(rows)) {
		if (family->more)
			family->more(out, format, family, rows);
		print_fields(out, format, family, view->fields, view->scope, NULL,
			     rows);
	}
	json_decref(rows);
	return status;
}

/* Labels of splices that have a sample; any user can choose as many as they like. */
#define SPLICE_LABELS_MAX 100

static int build_splices(struct ctx *ctx, struct args *args,
			 struct request *req)
{
	(void)ctx;
	(void)args;
	req->dump = true;
	request_string(req, KPROXY_A_SESSION_LISTENER, "listener", "-");
	return STATUS_DONE;
}

/* How many of @rows have each label; those with one label too many have none. */
static json_t *count_labels(const json_t *rows)
{
	json_t *counts = json_object(), *row;
	const char *label;
	size_t i;

	json_array_foreach((json_t *)rows, i, row) {
		label = json_string_value(json_object_get(row, "label"));
		/* A listener may be called "-". */
		if (!label)
			continue;
		if (!json_object_get(counts, label) &&
		    json_object_size(counts) >= SPLICE_LABELS_MAX)
			label = "";
		json_object_set_new(counts, label,
				    json_integer(print_number(counts, label) +
						 1));
	}
	return counts;
}

static void print_labels(FILE *out, const struct format *format,
			 json_t *counts)
{
	const char *label;
	json_t *count;

	if (!json_object_size(counts))
		return;
	print_head(out, format, "kproxy_", "splices",
		   "Splices that live, by label.");
	json_object_foreach(counts, label, count) {
		fputs("kproxy_splices{label=\"", out);
		print_escaped(out, label);
		fputs("\"} ", out);
		print_integer(out, json_integer_value(count));
	}
}

/* None without CAP_NET_ADMIN, which lists of sessions need. */
static void print_splices(struct ctx *ctx, FILE *out,
			  const struct format *format)
{
	struct view view = session_view;
	json_t *rows = json_array(), *counts;
	FILE *errors = ctx->errors;
	char *text = NULL;
	size_t len;

	ctx->errors = open_memstream(&text, &len);
	view.build = build_splices;
	if (ctx->errors && !view_rows(ctx, &view, rows)) {
		counts = count_labels(rows);
		print_labels(out, format, counts);
		json_decref(counts);
	}
	if (ctx->errors)
		fclose(ctx->errors);
	free(text);
	ctx->errors = errors;
	json_decref(rows);
}

int metrics_write(struct ctx *ctx, FILE *out, enum metrics_format which)
{
	const struct format *format = &formats[which];
	bool stats = ctx->stats;
	size_t i;
	int status = STATUS_DONE;

	/* Without it no counter is decoded. */
	ctx->stats = true;
	for (i = 0; !status && i < ARRAY_SIZE(families); i++)
		status = print_family(ctx, out, format, &families[i]);
	if (!status)
		print_splices(ctx, out, format);
	ctx->stats = stats;
	if (status)
		return status;
	print_head(out, format, "kproxy_", "build_info",
		   "The version of this command.");
	fprintf(out, "kproxy_build_info{version=\"%s\"} 1\n", KPROXY_VERSION);
	if (format->open)
		fputs("# EOF\n", out);
	return STATUS_DONE;
}
