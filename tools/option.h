/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_OPTION_H
#define KPROXY_OPTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct args;
struct column;
struct ctx;
struct nlattr;
struct option_spec;
struct request;

/* Enough for any value as text. */
#define OPTION_TEXT_MAX 80

/* No table has more options than a word of flags has bits. */
#define OPTIONS_MAX 64

/**
 * struct option_type - a kind of value
 * @put: read the word @text and add it to the request; returns exit status
 * @get: make JSON of the kernel's attribute, NULL when there is none to show
 * @parse: for numbers in some notation: read one, return NULL or the reason
 * @format: for numbers in some notation: write one as @parse reads it
 * @goes_on: whether a value of this word may have a second one, which is no
 *	option's name; NULL for values of one word
 * @integer: show it in JSON as a number, not in its notation
 * @wide: its attribute has 64 bits, not 32
 */
struct option_type {
	int (*put)(const struct ctx *ctx, const struct option_spec *option,
		   const char *text, struct request *req);
	json_t *(*get)(const struct option_spec *option, struct nlattr *attr);
	const char *(*parse)(const struct option_spec *option, const char *text,
			     uint64_t *value);
	void (*format)(const struct option_spec *option, uint64_t value, char *buf);
	bool (*goes_on)(const char *text);
	bool integer;
	bool wide;
};

extern const struct option_type option_number;
/* A number a second, "100/s". */
extern const struct option_type option_pace;
extern const struct option_type option_time;
extern const struct option_type option_word;
extern const struct option_type option_name;
extern const struct option_type option_size;
extern const struct option_type option_rate;
/* A name of the user's, which may be empty. */
extern const struct option_type option_label;
/* A name that the kernel knows, or "default"; at most .max bytes. */
extern const struct option_type option_choice;
extern const struct option_type option_keepalive;
extern const struct option_type option_source;

/* Bounds of the times and of the count of keepalive, and its default. */
#define KEEPALIVE_SECONDS_MAX 32767
#define KEEPALIVE_COUNT_MAX 127
#define KEEPALIVE_DEFAULT "60s,10s,6"

/* The words of an option that is on or off. */
extern const char *const option_switch[];

/**
 * struct option_spec - a setting of an object; all that the command knows of it
 * @name: as typed, and its key in JSON unless there is @key; NULL ends a table
 * @key: its key in JSON where something else is called @name there
 * @type: kind of value
 * @attr: its attribute in the object's attribute set
 * @always: shown also when it has its default
 * @required: a new object needs it
 * @runtime: a file that does not name it leaves it as it is
 * @value: how help writes the value, NULL for the list of @words
 * @words: for option_word: what the numbers from 0 on are called; for
 *	option_prefixes: what a list without a network is called
 * @min: smallest number
 * @max: largest number
 * @def: the kernel's default
 * @help: what it does, in half a line
 */
struct option_spec {
	const char *name;
	const char *key;
	const struct option_type *type;
	uint16_t attr;
	bool always;
	bool required;
	bool runtime;
	const char *value;
	const char *const *words;
	uint64_t min;
	uint64_t max;
	uint64_t def;
	const char *help;
};

static inline const char *option_key(const struct option_spec *option)
{
	return option->key ? option->key : option->name;
}

/**
 * options_parse_new() - read all that is left of the line as options
 * @ctx: for messages
 * @args: the line
 * @table: the options that there are, at most OPTIONS_MAX
 * @req: gets them
 *
 * Those that a new object needs must be there.
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int options_parse_new(const struct ctx *ctx, struct args *args,
		      const struct option_spec *table, struct request *req);

/* The same for a change, which needs at least one option. */
int options_parse_change(const struct ctx *ctx, struct args *args,
			 const struct option_spec *table, struct request *req);

/*
 * A boolean of YAML as an option's own word: true and yes are on, false and no
 * are off, in any case. Other text, and that of an option without such a word,
 * is returned as it is.
 */
const char *option_boolean(const struct option_spec *table, const char *name,
			   const char *text);

/* Add those that the kernel sent to @row. @tb is of fields_parse(). */
void options_show(const struct option_spec *table, struct nlattr **tb,
		  json_t *row);

/* The default as JSON shows it; NULL if an unset option is not shown. */
json_t *option_default(const struct option_spec *option);

void options_help(const struct option_spec *table, FILE *out);

/* A cell of the options in column->arg that differ from their defaults. */
void option_column(FILE *out, const struct column *column, const json_t *row);

#endif
