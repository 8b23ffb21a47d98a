/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_PRINT_H
#define KPROXY_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct ctx;
struct field;

/**
 * struct column - one column of a table, or one for each field of a list
 * @title: its heading
 * @key: of the value in the row, "KEY.KEY" for one inside an object
 * @text: write the value, NULL for print_value()
 * @cell: write the cell from the whole row instead
 * @arg: for @cell
 * @fields: instead of @title: a column for each of these that has a heading
 * @scope: the list of @fields that is meant
 * @nest: key of the object in the row that has @fields, NULL for the row
 * @right: aligned to the right, as numbers are
 * @inner: taken from each item of the table's list, not from the row
 * @stats: shown with -s only
 *
 * A column without title and fields ends a table.
 */
struct column {
	const char *title;
	const char *key;
	void (*text)(FILE *out, const json_t *value);
	void (*cell)(FILE *out, const struct column *column, const json_t *row);
	const void *arg;
	const struct field *fields;
	unsigned int scope;
	const char *nest;
	bool right;
	bool inner;
	bool stats;
};

/**
 * struct table - how an array of objects looks as text
 * @columns: what is shown
 * @list: key of a list in each row, which takes a line an item, or NULL
 * @vertical: one line a value; for what is a single object
 */
struct table {
	const struct column *columns;
	const char *list;
	bool vertical;
};

/**
 * print_rows() - print an array of objects, as JSON or as text
 * @ctx: says which
 * @rows: the array
 * @table: how it looks as text
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int print_rows(const struct ctx *ctx, const json_t *rows,
	       const struct table *table);

/* Print the text alone; no rows print nothing, not even headings. */
void print_table(FILE *out, const struct ctx *ctx, const json_t *rows,
		 const struct table *table);

/* Print a JSON document on one line, or indented with -p. */
void print_json(const struct ctx *ctx, const json_t *document);

/* The flags for json_dumpf(). */
size_t print_json_flags(const struct ctx *ctx);

/* Flush what was printed, and report when it could not be written. */
int print_flush(const struct ctx *ctx);

/* Print the rest of a line: KEY=VALUE for each value that is not empty. */
void print_pairs(const json_t *row);

/* The value of "KEY" or "KEY.KEY" in @row, or NULL. */
const json_t *print_lookup(const json_t *row, const char *key);

/* The same as a number; 0 when there is none. */
json_int_t print_number(const json_t *row, const char *key);

/* A value on one line: a word, a number, or a list with commas. */
void print_value(FILE *out, const json_t *value);

/* Cells for people: bytes as 1.5M, milliseconds as 2m10s. */
void print_bytes(FILE *out, const json_t *value);
void print_age(FILE *out, const json_t *value);

/* Microseconds as 15.2ms; an object of counts as those that are not 0. */
void print_us(FILE *out, const json_t *value);
void print_counts(FILE *out, const json_t *value);

#endif
