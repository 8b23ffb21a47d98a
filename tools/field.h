/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_FIELD_H
#define KPROXY_FIELD_H

#include <jansson.h>
#include <stdint.h>

struct ctx;
struct nlattr;

/* No attribute set has more attributes than this. */
#define FIELD_ATTR_MAX 63

/**
 * struct field - how an attribute of the kernel is shown
 * @key: its name in JSON, NULL ends a table
 * @attr: its number
 * @show: makes JSON of it, and of NULL when the kernel did not send it
 * @words: for field_word(): what the numbers from 0 on are called; for
 *	field_by_word(): what the attributes are called, the first being none
 * @nested: for field_nest(): table of what is inside
 */
struct field {
	const char *key;
	uint16_t attr;
	json_t *(*show)(const struct ctx *ctx, const struct field *field,
			struct nlattr *attr);
	const char *const *words;
	const struct field *nested;
};

json_t *field_uint(const struct ctx *ctx, const struct field *field,
		   struct nlattr *attr);
json_t *field_string(const struct ctx *ctx, const struct field *field,
		     struct nlattr *attr);
json_t *field_word(const struct ctx *ctx, const struct field *field,
		   struct nlattr *attr);
json_t *field_endpoint(const struct ctx *ctx, const struct field *field,
		       struct nlattr *attr);
json_t *field_nest(const struct ctx *ctx, const struct field *field,
		   struct nlattr *attr);

/* A nest of integers, one for each word. */
json_t *field_by_word(const struct ctx *ctx, const struct field *field,
		      struct nlattr *attr);

/* Add all of a table to @row. @tb has FIELD_ATTR_MAX + 1 entries. */
void fields_show(const struct ctx *ctx, const struct field *table,
		 struct nlattr **tb, json_t *row);

/* All of a table as an object of its own. */
json_t *fields_decode(const struct ctx *ctx, const struct field *table,
		      const struct nlattr *head, int len);

/* Sort attributes by number into @tb of FIELD_ATTR_MAX + 1 entries. */
void fields_parse(struct nlattr **tb, const struct nlattr *head, int len);

/* An integer attribute of whatever length, 0 when there is none. */
uint64_t field_get_uint(const struct nlattr *attr);

#endif
