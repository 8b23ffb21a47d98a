/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_FIELD_H
#define KPROXY_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ctx;
struct field;
struct nlattr;

/* No attribute set has more attributes than this. */
#define FIELD_ATTR_MAX 63

/**
 * enum field_samples - what metrics make of a value
 * @SAMPLES_NUMBER: a number
 * @SAMPLES_SECONDS: microseconds as seconds
 * @SAMPLES_BY_WORD: a number for each word
 * @SAMPLES_HISTOGRAM: a histogram
 */
enum field_samples {
	SAMPLES_NUMBER,
	SAMPLES_SECONDS,
	SAMPLES_BY_WORD,
	SAMPLES_HISTOGRAM,
};

/**
 * struct field_type - a kind of value that the kernel sends
 * @show: make JSON of an attribute, or of NULL when the kernel did not send it
 * @text: write that JSON as a cell of a table, NULL for print_value()
 * @samples: what metrics make of it
 * @right: align the cell to the right, as numbers are
 * @exact: a line of its own has room for the exact value, without @text
 */
struct field_type {
	json_t *(*show)(const struct ctx *ctx, const struct field *field,
			struct nlattr *attr);
	void (*text)(FILE *out, const json_t *value);
	enum field_samples samples;
	bool right;
	bool exact;
};

extern const struct field_type field_number;
/* Numbers with a unit; JSON has the number, a cell 1.5M or 2m10s. */
extern const struct field_type field_bytes;
extern const struct field_type field_us;
extern const struct field_type field_age_ms;
extern const struct field_type field_string;
/* One of @words, by its number. */
extern const struct field_type field_word;
extern const struct field_type field_endpoint;
/* An object of its own, described by @nested. */
extern const struct field_type field_nest;
/* A nest of integers, one for each of @words but the first. */
extern const struct field_type field_by_word;

/**
 * struct field - a value that the kernel sends; all that the command knows of it
 * @key: its name in JSON; NULL ends a table
 * @type: kind of value
 * @attr: its attribute in the object's attribute set
 * @scopes: the lists that it is part of, as bits; 0 for all lists of the table
 * @stats: shown with -s only
 * @optional: left out when the kernel did not send it
 * @words: for field_word: what the numbers from 0 on are called; for
 *	field_by_word: what the attributes are called, the first being none
 * @nested: for field_nest: the table of what is inside
 * @nested_scope: the list of @nested that is meant, 0 for all
 * @title: heading of its column in a table, NULL for no column
 * @line: its name in a list of one value a line, NULL for no line
 * @metric: its name in metrics behind the object's prefix, NULL for no metric;
 *	one of a counter ends in _total
 * @help: what the metric is, a sentence
 */
struct field {
	const char *key;
	const struct field_type *type;
	uint16_t attr;
	unsigned int scopes;
	bool stats;
	bool optional;
	const char *const *words;
	const struct field *nested;
	unsigned int nested_scope;
	const char *title;
	const char *line;
	const char *metric;
	const char *help;
};

/* Whether @field is part of the list @scope, 0 for a list of all. */
static inline bool field_is_in(const struct field *field, unsigned int scope)
{
	return !field->scopes || !scope || field->scopes & scope;
}

/*
 * Add those of @table that are in @scope to @row. @tb has FIELD_ATTR_MAX + 1
 * entries.
 */
void fields_show(const struct ctx *ctx, const struct field *table,
		 unsigned int scope, struct nlattr **tb, json_t *row);

/* The same as an object of its own. */
json_t *fields_decode(const struct ctx *ctx, const struct field *table,
		      unsigned int scope, const struct nlattr *head, int len);

/* The same of a nest, all of whose values are 0 or empty if @attr is NULL. */
json_t *fields_decode_nest(const struct ctx *ctx, const struct field *table,
			   unsigned int scope, const struct nlattr *attr);

/* Sort attributes by number into @tb of FIELD_ATTR_MAX + 1 entries. */
void fields_parse(struct nlattr **tb, const struct nlattr *head, int len);

/* An integer attribute of any length, 0 when there is none. */
uint64_t field_get_uint(const struct nlattr *attr);

#endif
