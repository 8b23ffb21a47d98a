// SPDX-License-Identifier: GPL-2.0
/*
 * The difference between a configuration file and what the kernel has, as
 * commands. They are built and sent as those of a command line are.
 */
#include "config-diff.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "config.h"
#include "config-running.h"
#include "names.h"
#include "option.h"

const char *const change_verbs[] = {
	[CHANGE_ADD] = "add",
	[CHANGE_SET] = "set",
	[CHANGE_DELETE] = "delete",
};

int changes_walk(struct ctx *ctx, const struct changes *changes, change_fn fn,
		 void *arg)
{
	const struct change *change;
	const struct config_step *step;
	int status = STATUS_DONE;
	size_t i;

	for (step = config_steps; step->object; step++) {
		for (i = 0; !status && i < changes->n; i++) {
			change = &changes->list[i];
			if (change->object == step->object &&
			    change->verb == step->verb)
				status = fn(ctx, change, arg);
		}
	}
	return status;
}

/* An object of the kernel's, and whether the file has it. */
struct known {
	const struct object *object;
	json_t *row;
	char *key;
	bool kept;
};

/* All of them, and the position of each by its key. */
struct index {
	struct known *list;
	size_t n;
	json_t *by_key;
};

static void index_add(struct index *index, const struct object *object,
		      json_t *row)
{
	char *key = config_key(object, row);

	index->list = xgrow(index->list, index->n + 1, sizeof(*index->list));
	index->list[index->n] = (struct known){ .object = object, .row = row,
						.key = key };
	json_object_set_new(index->by_key, key, json_integer(index->n++));
}

/* An object and all that belong to it. */
static void index_tree(struct index *index, const struct object *object,
		       json_t *row)
{
	const struct object *inner = NULL;
	json_t *inner_row;
	size_t i;

	index_add(index, object, row);
	while ((inner = config_next_inner(object, inner)))
		json_array_foreach(json_object_get(row, inner->form->list), i,
				   inner_row)
			index_tree(index, inner, inner_row);
}

static void index_all(struct index *index, const json_t *running)
{
	const struct object *const *object;
	json_t *row;
	size_t i;

	index->by_key = json_object();
	for (object = config_objects; *object; object++)
		if ((*object)->form->section)
			json_array_foreach(running_rows(running, *object), i,
					   row)
				index_tree(index, *object, row);
}

static void index_free(struct index *index)
{
	size_t i;

	for (i = 0; i < index->n; i++)
		free(index->list[i].key);
	free(index->list);
	json_decref(index->by_key);
}

/* Frees @key. */
static struct known *index_find(const struct index *index, char *key)
{
	const json_t *at = json_object_get(index->by_key, key);

	free(key);
	return at ? &index->list[json_integer_value(at)] : NULL;
}

static struct change *change_new(struct changes *changes,
				 const struct object *object,
				 enum change_verb verb, struct place place)
{
	struct change *change;

	changes->list = xgrow(changes->list, changes->n + 1,
			      sizeof(*changes->list));
	change = &changes->list[changes->n++];
	*change = (struct change){ .object = object, .verb = verb,
				   .place = place };
	return change;
}

void change_add_word(struct change *change, const char *text,
		     struct origin from)
{
	change->words = xgrow(change->words, change->n_words + 1,
			      sizeof(*change->words));
	change->from = xgrow(change->from, change->n_words + 1,
			     sizeof(*change->from));
	change->words[change->n_words] = xstrdup(text);
	change->from[change->n_words++] = from;
}

void change_note_was(struct change *change, const char *name, json_t *value)
{
	if (!change->was)
		change->was = json_object();
	json_object_set(change->was, name, value ? value : json_null());
}

static void change_free(struct change *change)
{
	size_t i;

	for (i = 0; i < change->n_words; i++)
		free(change->words[i]);
	free(change->words);
	free(change->from);
	json_decref(change->was);
}

static const char *member(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* The value of an option, which is its default when @row lacks it. */
static json_t *value_of(const struct option_spec *option, const json_t *row)
{
	json_t *value = json_object_get(row, option_key(option));

	return value ? json_incref(value) : option_default(option);
}

static void set_option(struct change *change, const struct definition *d,
		       const struct option_spec *option, json_t *want,
		       json_t *have)
{
	struct origin from = { .place = d->place };
	char *text = NULL;

	if (!config_option(d, option->name, &from))
		from = (struct origin){ .place = d->place };
	text = config_text(want);
	change_add_word(change, option->name, from);
	change_add_word(change, text, from);
	free(text);
	change_note_was(change, option->name, have);
}

/* A value that was set at run time stays, unless the file names the option. */
static bool is_kept(struct ctx *ctx, const struct definition *d,
		    const struct option_spec *option, const json_t *have)
{
	struct origin from = {};
	char *text;

	if (!option->runtime || config_option(d, option->name, &from))
		return false;
	text = config_text(have);
	from.place = d->place;
	config_blame(ctx, d, &from, 0);
	ctx_fail(ctx, STATUS_DONE, "%s %s is kept, the file does not name it",
		 option->name, text);
	ctx->object = NULL;
	ctx->name = NULL;
	ctx->place = (struct place){};
	free(text);
	return true;
}

static void compare_options(struct ctx *ctx, struct change *change,
			    const struct definition *d, const json_t *row)
{
	const struct option_spec *option;
	json_t *want, *have;

	for (option = d->object->options; option->name; option++) {
		want = value_of(option, d->row);
		have = value_of(option, row);
		if (want != have && !json_equal(want, have) &&
		    !is_kept(ctx, d, option, have))
			set_option(change, d, option, want, have);
		json_decref(want);
		json_decref(have);
	}
}

static void find_add(struct changes *changes, const struct definition *d,
		     json_t *was)
{
	struct change *change;
	size_t i;

	change = change_new(changes, d->object, CHANGE_ADD, d->place);
	for (i = 0; i < d->n_words; i++)
		change_add_word(change, d->words[i], d->from[i]);
	change->was = was;
}

static void find_set(struct ctx *ctx, struct changes *changes,
		     const struct definition *d, const json_t *row)
{
	const struct form *form = d->object->form;
	struct change *change;
	size_t i;

	change = change_new(changes, d->object, CHANGE_SET, d->place);
	for (i = 0; i < config_name_words(d->object); i++)
		change_add_word(change, d->words[i], d->from[i]);
	if (form->compare)
		form->compare(change, d, row);
	compare_options(ctx, change, d, row);
	if (change->was)
		return;
	change_free(change);
	changes->n--;
}

static void add_keys(struct change *change, const char *const *keys,
		     const json_t *row)
{
	struct origin nowhere = {};
	json_t *value;
	char *text;

	for (; *keys; keys++) {
		value = json_object_get(row, *keys);
		if (!value)
			continue;
		text = config_text(value);
		change_add_word(change, *keys, nowhere);
		change_add_word(change, text, nowhere);
		free(text);
	}
}

static void find_delete(struct changes *changes, const struct object *object,
			const json_t *row)
{
	const struct form *form = object->form;
	struct origin nowhere = {};
	struct change *change;

	change = change_new(changes, object, CHANGE_DELETE, nowhere.place);
	if (form->outer)
		change_add_word(change, member(row, form->outer_key), nowhere);
	/* Without an operand, options tell it from its siblings. */
	if (form->keys)
		add_keys(change, form->keys, row);
	else
		change_add_word(change, member(row, form->key), nowhere);
}

/* What the kernel has of an object, where the file says something else. */
static json_t *find_was(const struct definition *d, const json_t *row)
{
	json_t *was = json_object(), *have;
	const char *key;

	json_object_foreach((json_t *)row, key, have)
		if (!json_equal(have, json_object_get(d->row, key)))
			json_object_set(was, key, have);
	return was;
}

static void find_replace(struct changes *changes, const struct definition *d,
			 const json_t *row)
{
	if (json_equal(d->row, row))
		return;
	find_delete(changes, d->object, row);
	find_add(changes, d, find_was(d, row));
}

static void find_change(struct ctx *ctx, struct changes *changes,
			const struct definition *d, struct known *known)
{
	if (!known) {
		find_add(changes, d, NULL);
		return;
	}
	known->kept = true;
	if (cmd_find(d->object, "set"))
		find_set(ctx, changes, d, known->row);
	else
		find_replace(changes, d, known->row);
}

/* A deleted upstream takes its servers with it, a listener its routes. */
static bool goes_with_outer(const struct index *index,
			    const struct known *known)
{
	const struct form *form = known->object->form;
	const struct known *outer;
	char *key;

	if (!form->outer)
		return false;
	key = config_key_of_name(form->outer,
				 member(known->row, form->outer_key));
	outer = index_find(index, key);
	return outer && !outer->kept;
}

/* A server that was made of a name, which the file has. */
static bool is_of_name(const struct known *known, const json_t *followed)
{
	const struct form *form = known->object->form;
	json_t *row;
	size_t i;

	if (!form->followed)
		return false;
	json_array_foreach(followed, i, row)
		if (names_owns(row, member(known->row, form->outer_key),
			       member(known->row, form->key)))
			return true;
	return false;
}

void changes_find(struct ctx *ctx, struct changes *changes,
		  const struct config *config, const json_t *running,
		  const json_t *followed)
{
	const struct definition *d;
	const struct known *known;
	struct index index = {};
	size_t i;

	*changes = (struct changes){};
	index_all(&index, running);
	for (i = 0; i < config->n; i++) {
		d = &config->list[i];
		find_change(ctx, changes, d,
			    index_find(&index, config_key(d->object, d->row)));
	}
	for (i = 0; i < index.n; i++) {
		known = &index.list[i];
		if (!known->kept && !goes_with_outer(&index, known) &&
		    !is_of_name(known, followed))
			find_delete(changes, known->object, known->row);
	}
	index_free(&index);
}

void changes_free(struct changes *changes)
{
	size_t i;

	for (i = 0; i < changes->n; i++)
		change_free(&changes->list[i]);
	free(changes->list);
}
