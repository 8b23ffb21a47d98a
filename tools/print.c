// SPDX-License-Identifier: GPL-2.0
/*
 * All that a command shows is an array of JSON objects. It is printed as it
 * is, or a table of columns makes text of it.
 */
#include "print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "ctx.h"
#include "text.h"

#define COLUMNS_MAX 32

/**
 * struct layout - a table on its way to the screen
 * @out: where it is written
 * @table: what it is made of
 * @stats: -s is given
 * @width: of each column
 * @scratch: where a cell is written before it is printed
 * @cell: what @scratch holds
 * @size: room in @cell
 */
struct layout {
	FILE *out;
	const struct table *table;
	bool stats;
	int width[COLUMNS_MAX];
	FILE *scratch;
	char *cell;
	size_t size;
};

void print_value(FILE *out, const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		text_print(out, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT,
			json_integer_value(value));
	json_array_foreach(value, i, item) {
		if (i)
			fputc(',', out);
		print_value(out, item);
	}
}

void print_pairs(const json_t *row)
{
	const json_t *value;
	const char *key;

	json_object_foreach((json_t *)row, key, value) {
		if (json_is_string(value) && !json_string_length(value))
			continue;
		printf(" %s=", key);
		print_value(stdout, value);
	}
	putchar('\n');
}

const json_t *print_lookup(const json_t *row, const char *key)
{
	const char *dot = strchr(key, '.');

	if (!dot)
		return json_object_get(row, key);
	return print_lookup(json_object_getn(row, key, dot - key), dot + 1);
}

json_int_t print_number(const json_t *row, const char *key)
{
	return json_integer_value(print_lookup(row, key));
}

void print_bytes(FILE *out, const struct column *column, const json_t *row)
{
	double n = print_number(row, column->key);
	const char *unit = "\0KMGTPE";

	for (; n >= 1024; n /= 1024)
		unit++;
	fprintf(out, *unit ? "%.1f%c" : "%.0f", n, *unit);
}

void print_age(FILE *out, const struct column *column, const json_t *row)
{
	json_int_t ms = print_number(row, column->key);
	long long s = ms / 1000;

	if (s < 60)
		fprintf(out, "%.1fs", ms / 1000.0);
	else if (s < 3600)
		fprintf(out, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		fprintf(out, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		fprintf(out, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

void print_us(FILE *out, const struct column *column, const json_t *row)
{
	json_int_t us = print_number(row, column->key);

	if (!print_lookup(row, column->key))
		return;
	if (us < 1000)
		fprintf(out, "%" JSON_INTEGER_FORMAT "us", us);
	else if (us < 1000000)
		fprintf(out, "%.1fms", us / 1000.0);
	else
		fprintf(out, "%.1fs", us / 1000000.0);
}

void print_counts(FILE *out, const struct column *column, const json_t *row)
{
	const char *before = "", *key;
	json_t *value;

	json_object_foreach((json_t *)print_lookup(row, column->key), key,
			    value) {
		if (!json_integer_value(value))
			continue;
		fprintf(out, "%s%s=%" JSON_INTEGER_FORMAT, before, key,
			json_integer_value(value));
		before = ",";
	}
}

static void render(struct layout *layout, const struct column *column,
		   const json_t *row)
{
	rewind(layout->scratch);
	if (column->text)
		column->text(layout->scratch, column, row);
	else
		print_value(layout->scratch, print_lookup(row, column->key));
	if (!ftell(layout->scratch))
		fputc('-', layout->scratch);
	fputc('\0', layout->scratch);
	if (fflush(layout->scratch))
		alloc_failed();
}

static bool hidden(const struct layout *layout, const struct column *column)
{
	return column->stats && !layout->stats;
}

/* The items of the table's list in @row, at least one line. */
static size_t count_lines(const struct layout *layout, const json_t *row)
{
	const char *list = layout->table->list;
	size_t n;

	n = list ? json_array_size(json_object_get(row, list)) : 1;
	return n ? n : 1;
}

/* Where a column finds its value on line @line of @row; NULL for a blank. */
static const json_t *source(const struct layout *layout,
			    const struct column *column, const json_t *row,
			    size_t line)
{
	const json_t *list;

	if (!column->inner)
		return line ? NULL : row;
	list = json_object_get(row, layout->table->list);
	return json_array_get(list, line);
}

typedef void (*line_fn)(struct layout *layout, const json_t *row, size_t line);

static void walk_lines(struct layout *layout, const json_t *rows, line_fn fn)
{
	const json_t *row;
	size_t i, line;

	json_array_foreach(rows, i, row)
		for (line = 0; line < count_lines(layout, row); line++)
			fn(layout, row, line);
}

static void widen(int *width, const char *cell)
{
	int len = strlen(cell);

	if (len > *width)
		*width = len;
}

static void measure_line(struct layout *layout, const json_t *row, size_t line)
{
	const struct column *columns = layout->table->columns;
	const json_t *from;
	size_t i;

	for (i = 0; columns[i].title; i++) {
		from = source(layout, &columns[i], row, line);
		if (!from || hidden(layout, &columns[i]))
			continue;
		render(layout, &columns[i], from);
		widen(&layout->width[i], layout->cell);
	}
}

/*
 * Blanks are owed until a cell needs them, so that no line ends in one.
 * Return: what is owed behind this cell
 */
static int print_cell(const struct layout *layout, size_t i, int owed,
		      const char *cell)
{
	int pad = layout->width[i] - (int)strlen(cell);

	if (!*cell)
		return owed + pad + 2;
	if (layout->table->columns[i].right)
		fprintf(layout->out, "%*s%s", owed + pad, "", cell);
	else
		fprintf(layout->out, "%*s%s", owed, "", cell);
	return 2 + (layout->table->columns[i].right ? 0 : pad);
}

static void print_line(struct layout *layout, const json_t *row, size_t line)
{
	const struct column *columns = layout->table->columns;
	const json_t *from;
	int owed = 0;
	size_t i;

	for (i = 0; columns[i].title; i++) {
		if (hidden(layout, &columns[i]))
			continue;
		from = source(layout, &columns[i], row, line);
		if (from)
			render(layout, &columns[i], from);
		owed = print_cell(layout, i, owed, from ? layout->cell : "");
	}
	fputc('\n', layout->out);
}

static void print_titles(struct layout *layout)
{
	const struct column *columns = layout->table->columns;
	int owed = 0;
	size_t i;

	for (i = 0; columns[i].title; i++) {
		if (hidden(layout, &columns[i]))
			continue;
		widen(&layout->width[i], columns[i].title);
		owed = print_cell(layout, i, owed, columns[i].title);
	}
	fputc('\n', layout->out);
}

static void print_horizontal(struct layout *layout, const json_t *rows)
{
	if (!json_array_size(rows))
		return;
	walk_lines(layout, rows, measure_line);
	print_titles(layout);
	walk_lines(layout, rows, print_line);
}

static void print_vertical(struct layout *layout, const json_t *rows)
{
	const struct column *column;
	const json_t *row;
	int width = 0;
	size_t i;

	for (column = layout->table->columns; column->title; column++)
		widen(&width, column->title);
	json_array_foreach(rows, i, row) {
		for (column = layout->table->columns; column->title; column++) {
			render(layout, column, row);
			fprintf(layout->out, "%-*s %s\n", width,
				column->title, layout->cell);
		}
	}
}

void print_table(FILE *out, const struct ctx *ctx, const json_t *rows,
		 const struct table *table)
{
	struct layout layout = { .out = out, .table = table,
				 .stats = ctx->stats };

	layout.scratch = open_memstream(&layout.cell, &layout.size);
	if (!layout.scratch)
		alloc_failed();
	if (table->vertical)
		print_vertical(&layout, rows);
	else
		print_horizontal(&layout, rows);
	fclose(layout.scratch);
	free(layout.cell);
}

int print_flush(const struct ctx *ctx)
{
	struct ctx plain = ctx_plain(ctx);

	if (!fflush(stdout) && !ferror(stdout))
		return STATUS_DONE;
	/* As for those that SIGPIPE ends: the reader has seen enough. */
	if (errno == EPIPE)
		return STATUS_USAGE;
	return ctx_refuse(&plain, "standard output: %s", strerror(errno));
}

size_t print_json_flags(const struct ctx *ctx)
{
	/* Some characters beyond ASCII are commands to a terminal, too. */
	return JSON_ENSURE_ASCII |
	       (ctx->pretty ? JSON_INDENT(2) : JSON_COMPACT);
}

void print_json(const struct ctx *ctx, const json_t *document)
{
	json_dumpf(document, stdout, print_json_flags(ctx));
	putchar('\n');
}

int print_rows(const struct ctx *ctx, const json_t *rows,
	       const struct table *table)
{
	if (ctx->json)
		print_json(ctx, rows);
	else
		print_table(stdout, ctx, rows, table);
	return print_flush(ctx);
}
