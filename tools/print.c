// SPDX-License-Identifier: GPL-2.0
/*
 * All that a command shows is an array of JSON objects. With -j the array is
 * printed as it is; otherwise a table of columns makes text of it.
 */
#include "print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "ctx.h"
#include "field.h"
#include "text.h"

/**
 * struct layout - a table on its way to the screen
 * @out: where it is written
 * @table: what it is made of
 * @stats: -s is given
 * @columns: those that are shown, each with a title
 * @width: of each column
 * @n: how many columns
 * @scratch: where a cell is written before it is printed
 * @cell: what @scratch holds
 * @size: room in @cell
 */
struct layout {
	FILE *out;
	const struct table *table;
	bool stats;
	struct column *columns;
	int *width;
	size_t n;
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

void print_bytes(FILE *out, const json_t *value)
{
	double n = json_integer_value(value);
	const char *unit = "\0KMGTPE";

	for (; n >= 1024; n /= 1024)
		unit++;
	fprintf(out, *unit ? "%.1f%c" : "%.0f", n, *unit);
}

void print_age(FILE *out, const json_t *value)
{
	json_int_t ms = json_integer_value(value);
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

void print_us(FILE *out, const json_t *value)
{
	json_int_t us = json_integer_value(value);

	if (!value)
		return;
	if (us < 1000)
		fprintf(out, "%" JSON_INTEGER_FORMAT "us", us);
	else if (us < 1000000)
		fprintf(out, "%.1fms", us / 1000.0);
	else
		fprintf(out, "%.1fs", us / 1000000.0);
}

void print_counts(FILE *out, const json_t *value)
{
	const char *before = "", *key;
	json_t *count;

	json_object_foreach((json_t *)value, key, count) {
		if (!json_integer_value(count))
			continue;
		fprintf(out, "%s%s=%" JSON_INTEGER_FORMAT, before, key,
			json_integer_value(count));
		before = ",";
	}
}

static void add_column(struct layout *layout, const struct column *column)
{
	if (column->stats && !layout->stats)
		return;
	layout->columns = xgrow(layout->columns, layout->n + 1,
				sizeof(*layout->columns));
	layout->columns[layout->n++] = *column;
}

/* Add a column for each field that has a heading in this kind of table. */
static void add_fields(struct layout *layout, const struct column *group)
{
	bool line = layout->table->vertical;
	const struct field *field;
	struct column column;

	for (field = group->fields; field->key; field++) {
		if (!field_is_in(field, group->scope))
			continue;
		column = *group;
		column.title = line ? field->line : field->title;
		column.key = field->key;
		if (!line || !field->type->exact)
			column.text = field->type->text;
		column.right = field->type->right;
		column.stats |= field->stats;
		if (column.title)
			add_column(layout, &column);
	}
}

static void add_columns(struct layout *layout)
{
	const struct column *column = layout->table->columns;

	for (; column->title || column->fields; column++) {
		if (column->fields)
			add_fields(layout, column);
		else
			add_column(layout, column);
	}
	layout->width = xgrow(NULL, layout->n + 1, sizeof(*layout->width));
	memset(layout->width, 0, layout->n * sizeof(*layout->width));
}

static void render_value(FILE *out, const struct column *column,
			 const json_t *row)
{
	const json_t *value;

	if (column->nest)
		row = json_object_get(row, column->nest);
	value = print_lookup(row, column->key);
	if (column->text)
		column->text(out, value);
	else
		print_value(out, value);
}

static void render(struct layout *layout, const struct column *column,
		   const json_t *row)
{
	rewind(layout->scratch);
	if (column->cell)
		column->cell(layout->scratch, column, row);
	else
		render_value(layout->scratch, column, row);
	if (!ftell(layout->scratch))
		fputc('-', layout->scratch);
	fputc('\0', layout->scratch);
	if (fflush(layout->scratch))
		alloc_failed();
}

/* The items of the table's list in @row, at least one line. */
static size_t count_lines(const struct layout *layout, const json_t *row)
{
	const char *list = layout->table->list;
	size_t n;

	n = list ? json_array_size(json_object_get(row, list)) : 1;
	return n ? n : 1;
}

/* The object with the value for line @line of @row; NULL for a blank cell. */
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
	const json_t *from;
	size_t i;

	for (i = 0; i < layout->n; i++) {
		from = source(layout, &layout->columns[i], row, line);
		if (!from)
			continue;
		render(layout, &layout->columns[i], from);
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
	if (layout->columns[i].right)
		fprintf(layout->out, "%*s%s", owed + pad, "", cell);
	else
		fprintf(layout->out, "%*s%s", owed, "", cell);
	return 2 + (layout->columns[i].right ? 0 : pad);
}

static void print_line(struct layout *layout, const json_t *row, size_t line)
{
	const json_t *from;
	int owed = 0;
	size_t i;

	for (i = 0; i < layout->n; i++) {
		from = source(layout, &layout->columns[i], row, line);
		if (from)
			render(layout, &layout->columns[i], from);
		owed = print_cell(layout, i, owed, from ? layout->cell : "");
	}
	fputc('\n', layout->out);
}

static void print_titles(struct layout *layout)
{
	int owed = 0;
	size_t i;

	for (i = 0; i < layout->n; i++) {
		widen(&layout->width[i], layout->columns[i].title);
		owed = print_cell(layout, i, owed, layout->columns[i].title);
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
	const json_t *row;
	int width = 0;
	size_t i, n;

	for (i = 0; i < layout->n; i++)
		widen(&width, layout->columns[i].title);
	json_array_foreach(rows, n, row) {
		for (i = 0; i < layout->n; i++) {
			render(layout, &layout->columns[i], row);
			fprintf(layout->out, "%-*s %s\n", width,
				layout->columns[i].title, layout->cell);
		}
	}
}

void print_table(FILE *out, const struct ctx *ctx, const json_t *rows,
		 const struct table *table)
{
	struct layout layout = { .out = out, .table = table,
				 .stats = ctx->stats };

	layout.scratch = xopen(&layout.cell, &layout.size);
	add_columns(&layout);
	if (table->vertical)
		print_vertical(&layout, rows);
	else
		print_horizontal(&layout, rows);
	fclose(layout.scratch);
	free(layout.cell);
	free(layout.columns);
	free(layout.width);
}

int print_flush(const struct ctx *ctx)
{
	struct ctx plain = ctx_plain(ctx);

	if (!fflush(stdout) && !ferror(stdout))
		return STATUS_DONE;
	/* The reader has gone: end silently, as SIGPIPE would. */
	if (errno == EPIPE)
		return STATUS_USAGE;
	return ctx_refuse(&plain, "standard output: %s", strerror(errno));
}

size_t print_json_flags(const struct ctx *ctx)
{
	/* Some characters beyond ASCII are terminal commands as well. */
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
