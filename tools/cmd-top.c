// SPDX-License-Identifier: GPL-2.0
/*
 * Rates and slow peers, on a screen that is redrawn each second. Without a
 * terminal, each sample is printed below the last.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "args.h"
#include "clock.h"
#include "cmd.h"
#include "ctx.h"
#include "nl.h"
#include "print.h"
#include "signals.h"
#include "text.h"
#include "token.h"
#include "top-sample.h"
#include "top-screen.h"
#include "view.h"

#define INTERVAL_MS 1000
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS 3600000

/**
 * struct subject - a list that can be shown
 * @name: as typed
 * @key: as pressed
 * @sort: the column that it is sorted by at first
 */
static const struct subject {
	const char *name;
	int key;
	const char *sort;
} subjects[TOP_SUBJECTS] = {
	[TOP_SESSIONS] = { "sessions", 's', "rate" },
	[TOP_SERVERS] = { "servers", 'v', "rtt_us" },
	[TOP_CLIENTS] = { "clients", 'c', "rtt_us" },
};

/**
 * struct top - what is shown, and how
 * @ctx: where
 * @sample: what the kernel has said last
 * @screen: the terminal, when it is used
 * @interval: between two samples, milliseconds
 * @count: samples that are left, 0 for no end
 * @subject: which list
 * @sort: what it is to be sorted by, as typed, or NULL
 * @column: what it is sorted by, a number in the columns of its table
 * @reverse: from the smallest
 * @pools: they are shown
 * @quit: it was asked for
 */
struct top {
	struct ctx *ctx;
	struct top_sample sample;
	struct top_screen screen;
	uint64_t interval;
	uint64_t count;
	enum top_subject subject;
	const char *sort;
	int column;
	bool reverse;
	bool pools;
	bool quit;
};

static const struct column *columns(const struct top *top)
{
	return top_tables[top->subject].columns;
}

static const char *sort_key(const struct top *top)
{
	return columns(top)[top->column].key;
}

static int find_column(const struct top *top, const char *key)
{
	int i;

	for (i = 0; columns(top)[i].title; i++)
		if (!strcmp(columns(top)[i].key, key))
			return i;
	return -1;
}

static void choose_subject(struct top *top, enum top_subject subject)
{
	top->subject = subject;
	top->column = find_column(top, subjects[subject].sort);
	top->reverse = false;
	top->screen.scroll = 0;
}

/* Text */

static void write_bytes(FILE *out, const json_t *row, const char *key,
			const char *after)
{
	print_bytes(out, json_object_get(row, key));
	fputs(after, out);
}

static void write_totals(FILE *out, const struct top *top)
{
	const json_t *rates = top->sample.rates;
	json_int_t spliced = print_number(rates, "bytes_spliced");
	json_int_t moved = spliced + print_number(rates, "bytes_copied");

	fprintf(out, "sessions %" JSON_INTEGER_FORMAT ", begun %"
		JSON_INTEGER_FORMAT "/s, refused %" JSON_INTEGER_FORMAT
		"/s, connects failed %" JSON_INTEGER_FORMAT "/s\n",
		print_number(top->sample.totals, "sessions"),
		print_number(rates, "sessions_total"),
		print_number(rates, "refused"),
		print_number(rates, "connect_failures"));
	write_bytes(out, rates, "bytes_in", "/s in, ");
	write_bytes(out, rates, "bytes_out", "/s out, ");
	if (moved)
		fprintf(out, "%.1f %% spliced, ", 100.0 * spliced / moved);
	fprintf(out, "pumps %" JSON_INTEGER_FORMAT "/s inline, %"
		JSON_INTEGER_FORMAT "/s deferred\n",
		print_number(rates, "pumps_inline"),
		print_number(rates, "pumps_deferred"));
}

static void write_title(FILE *out, const struct top *top)
{
	char clock[sizeof("23:59:59")];
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%T", &tm);
	fprintf(out, "kproxy top %s", clock);
	if (top->ctx->netns) {
		fputs(", namespace ", out);
		text_print(out, top->ctx->netns);
	}
	fprintf(out, ", %s by %s%s\n", subjects[top->subject].name,
		sort_key(top), top->reverse ? " reversed" : "");
}

/* Most servers that are listed as away, so that sessions are still seen. */
#define AWAY_MAX 8

static void write_away(FILE *out, const struct top *top)
{
	size_t n = json_array_size(top->sample.away), i;
	json_t *rows = json_array();

	for (i = 0; i < n && i < AWAY_MAX; i++)
		json_array_append(rows, json_array_get(top->sample.away, i));
	print_table(out, top->ctx, rows, &top_away_table);
	if (n > AWAY_MAX)
		fprintf(out, "and %zu more\n", n - AWAY_MAX);
	json_decref(rows);
}

static void write_head(FILE *out, const struct top *top)
{
	write_title(out, top);
	write_totals(out, top);
	write_away(out, top);
	if (top->pools)
		print_table(out, top->ctx, top->sample.pools, pool_view.table);
}

static void write_list(FILE *out, const struct top *top)
{
	json_t *rows = top_rows(&top->sample, top->subject, sort_key(top),
				top->reverse);

	print_table(out, top->ctx, rows, &top_tables[top->subject]);
	json_decref(rows);
}

/* Return what a function writes as a string. */
static char *text_of(void (*write)(FILE *out, const struct top *top),
		     const struct top *top)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	out = xopen(&text, &size);
	write(out, top);
	xclose(out);
	return text;
}

static void draw(struct top *top)
{
	char *head = text_of(write_head, top), *list = text_of(write_list, top);

	top_screen_draw(&top->screen, head, list);
	free(head);
	free(list);
}

static void print_document(const struct top *top)
{
	json_t *rows = top_rows(&top->sample, top->subject, sort_key(top),
				top->reverse);
	json_t *document = json_pack("{s:O, s:O, s:O, s:O, s:o}",
				     "totals", top->sample.totals,
				     "rates", top->sample.rates,
				     "pools", top->sample.pools,
				     "away", top->sample.away,
				     subjects[top->subject].name, rows);

	print_json(top->ctx, document);
	json_decref(document);
}

/* Keys */

static void next_column(struct top *top, int step)
{
	int n = 0;

	while (columns(top)[n].title)
		n++;
	top->column = (top->column + n + step) % n;
}

static void on_key(struct top *top, int key)
{
	int i;

	for (i = 0; i < TOP_SUBJECTS; i++)
		if (key == subjects[i].key)
			choose_subject(top, i);
	switch (key) {
	case 'q':
		top->quit = true;
		break;
	case 'p':
		top->pools = !top->pools;
		break;
	case 'r':
		top->reverse = !top->reverse;
		break;
	case '<':
		next_column(top, -1);
		break;
	case '>':
		next_column(top, 1);
		break;
	}
}

/* Keys change the view of the current sample. */
static void wait_with_keys(struct top *top)
{
	uint64_t end = clock_us() + top->interval * 1000, now;
	int key;

	while (!top->quit && (now = clock_us()) < end) {
		/* Round up, or the loop would spin until the interval ends. */
		if (!signals_wait(STDIN_FILENO, (end - now + 999) / 1000))
			top->quit = true;
		while ((key = top_screen_key(&top->screen)) >= 0)
			on_key(top, key);
		draw(top);
	}
}

static bool is_last(struct top *top)
{
	return top->count && !--top->count;
}

static int watch_screen(struct top *top)
{
	int status = STATUS_DONE;

	while (!status && !top->quit) {
		status = top_sample_take(top->ctx, &top->sample);
		if (status)
			break;
		draw(top);
		wait_with_keys(top);
		if (is_last(top))
			break;
	}
	top_screen_close(&top->screen);
	return status;
}

static int print_sample(struct top *top)
{
	if (top->ctx->json) {
		print_document(top);
	} else {
		write_head(stdout, top);
		write_list(stdout, top);
		putchar('\n');
	}
	return print_flush(top->ctx);
}

/* Rates need two samples, so the first is not printed. */
static int watch_lines(struct top *top)
{
	int status;

	status = top_sample_take(top->ctx, &top->sample);
	while (!status && signals_wait(-1, top->interval)) {
		status = top_sample_take(top->ctx, &top->sample);
		if (!status)
			status = print_sample(top);
		if (is_last(top))
			break;
	}
	return status;
}

/* The command line */

static int parse_interval(struct top *top, const char *word)
{
	const char *why = token_time(word, &top->interval);

	if (!why && (top->interval < INTERVAL_MIN_MS ||
		     top->interval > INTERVAL_MAX_MS))
		why = "must be 100ms to 1h";
	return why ? ctx_refuse(top->ctx, "interval \"%s\": %s", word, why) :
		     STATUS_DONE;
}

static int parse_count(struct top *top, const char *word)
{
	const char *why = token_number(word, &top->count);

	return why ? ctx_refuse(top->ctx, "count \"%s\": %s", word, why) :
		     STATUS_DONE;
}

/* The keys depend on the list, which a later word may choose. */
static int parse_sort(struct top *top, const char *word)
{
	top->sort = word;
	return STATUS_DONE;
}

static int apply_sort(struct top *top)
{
	if (!top->sort)
		return STATUS_DONE;
	top->column = find_column(top, top->sort);
	if (top->column < 0)
		return ctx_refuse(top->ctx, "sort \"%s\": %s have no such value",
				  top->sort, subjects[top->subject].name);
	return STATUS_DONE;
}

static const struct {
	const char *name;
	int (*parse)(struct top *top, const char *word);
} options[] = {
	{ "interval", parse_interval },
	{ "count", parse_count },
	{ "sort", parse_sort },
};

static int parse_option(struct top *top, struct args *args, const char *name)
{
	const char *word;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name))
			continue;
		word = args_next(args);
		if (!word)
			return ctx_refuse(top->ctx, "%s needs a value", name);
		return options[i].parse(top, word);
	}
	return ctx_refuse(top->ctx, "unknown option \"%s\", try \"kproxy help\"",
			  name);
}

static bool parse_subject(struct top *top, const char *word)
{
	int i;

	for (i = 0; i < TOP_SUBJECTS; i++) {
		if (!strcmp(subjects[i].name, word)) {
			choose_subject(top, i);
			return true;
		}
	}
	return false;
}

static int parse(struct top *top, struct args *args)
{
	int status = STATUS_DONE;
	const char *word;

	choose_subject(top, TOP_SESSIONS);
	while (!status && (word = args_next(args)))
		if (!parse_subject(top, word))
			status = parse_option(top, args, word);
	return status ? status : apply_sort(top);
}

/* JSON is never for a screen. */
static bool wants_screen(const struct ctx *ctx)
{
	return !ctx->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static int top_run(struct ctx *ctx, struct args *args)
{
	struct top top = { .ctx = ctx, .interval = INTERVAL_MS, .pools = true };
	int status;

	status = parse(&top, args);
	if (!status)
		status = nl_open(ctx);
	if (status)
		return status;
	signals_catch();
	if (wants_screen(ctx) && top_screen_open(&top.screen))
		status = watch_screen(&top);
	else
		status = watch_lines(&top);
	top_sample_free(&top.sample);
	return status;
}

const struct object top_object = {
	.name = "top",
	.usage = "  kproxy top [sessions | servers | clients] [sort KEY] [interval T] [count N]\n"
		 "      Keys: s v c which list, < > sort by, r reverse, p pools, arrows, q quit\n",
	.run = top_run,
};
