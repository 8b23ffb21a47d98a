/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_H
#define KPROXY_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "args.h"
#include "ctx.h"

struct change;
struct object;
struct view;

/**
 * struct definition - an object that a configuration file defines
 * @object: its kind
 * @words: what follows "add" on the command line that would make it
 * @from: where each word was read
 * @n_words: how many
 * @place: where it begins
 * @row: the object as the kernel would show it, without its defaults
 */
struct definition {
	const struct object *object;
	char **words;
	struct origin *from;
	size_t n_words;
	struct place place;
	json_t *row;
};

/**
 * struct config - what a configuration file says
 * @list: all objects, in the order of the file
 * @n: how many
 * @names: servers that are names, which are followed: rows of names.h; NULL for
 *	none
 */
struct config {
	struct definition *list;
	size_t n;
	json_t *names;
};

/**
 * struct beside - what a definition must agree with: those before it
 * @again: one of them has the same name
 * @n: how many of its kind its outer object has already
 * @claims: names of objects, by what only one of them may have
 */
struct beside {
	bool again;
	json_int_t n;
	json_t *claims;
};

/**
 * struct form - how one kind of object is written in a configuration file
 * @view: shows those that the kernel has
 * @section: the file's mapping of all such objects by name, or NULL
 * @outer: instead of @section: the kind of object that each of them belongs to
 * @list: where the outer object has the list of them
 * @list_always: the list is saved even if it is empty
 * @outer_key: where its JSON has the name of its outer object
 * @key: where its JSON has what tells it from the others
 * @keys: the same where that is more than one member, some of which may be
 *	missing; NULL-terminated. Options of the same names tell it on the command line
 * @operand: in a file, the key of what is a word without a name on the command
 *	line, behind the object's own or outer name; NULL if there is no such word
 * @operand_key: where its JSON has that
 * @followed: in a file, the key that takes the place of @operand in an object that
 *	is a name to follow; NULL if there are none
 * @refers: its option of this kind's name must name such an object of the same
 *	file; NULL if it has no such option
 * @check: refuse a definition that does not go with those before it; returns
 *	exit status. Or NULL
 * @compare: add to a change what makes of @row what @d says, apart from
 *	options; or NULL
 *
 * The options are those of struct object. An object whose kind has no command
 * "set" is deleted and added again when it is to be changed.
 */
struct form {
	const struct view *view;
	const char *section;
	const struct object *outer;
	const char *list;
	bool list_always;
	const char *outer_key;
	const char *key;
	const char *const *keys;
	const char *operand;
	const char *operand_key;
	const char *followed;
	const struct object *refers;
	int (*check)(struct ctx *ctx, const struct definition *d,
		     const struct beside *beside);
	void (*compare)(struct change *change, const struct definition *d,
			const json_t *row);
};

/* Those that have a form, outer ones before inner ones; NULL is the last. */
extern const struct object *const config_objects[];

/* The next object whose outer one is @outer, NULL at the end and to begin. */
const struct object *config_next_inner(const struct object *outer,
				       const struct object *last);

/* How many words of "add" come before its options. */
size_t config_operands(const struct object *object);

/* How many words of "set" say which object is meant. */
size_t config_name_words(const struct object *object);

/* A key of the object among all objects, for free(). */
char *config_key(const struct object *object, const json_t *row);

/* The same for one that has no outer object, by its name. */
char *config_key_of_name(const struct object *object, const char *name);

/* The value of a definition's option, or NULL when it does not give it. */
const char *config_option(const struct definition *d, const char *name,
			  struct origin *from);

/* Messages are about one word of @d, or one item of it. */
void config_blame(struct ctx *ctx, const struct definition *d,
		  const struct origin *from, size_t item);

/* What print_value() makes of a value, for free(). */
char *config_text(const json_t *value);

void definition_free(struct definition *d);
void config_free(struct config *config);

#endif
