// SPDX-License-Identifier: GPL-2.0
/*
 * The objects of a configuration file, and how they are told apart. Everything
 * else is in the files of the same name:
 *
 *   config-read.c    a file becomes definitions
 *   config-check.c   each definition goes with the others
 *   config-running.c the objects that the kernel has
 *   config-diff.c    definitions and the kernel's objects become changes
 *   config-apply.c   changes are printed, or made in one transaction
 *   config-save.c    the kernel's objects become a file
 *
 * What differs from one kind of object to another is in its struct form.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "config-diff.h"
#include "print.h"

const struct object *const config_objects[] = {
	&upstream_object, &server_object, &listener_object, &route_object,
	NULL
};

/*
 * An upstream exists before anything names it, and is deleted when nothing does.
 * A listener is deleted before others may want its addresses, a server before
 * others may want its place, a route before another may want its pattern.
 */
const struct config_step config_steps[] = {
	{ &upstream_object, CHANGE_ADD },
	{ &listener_object, CHANGE_DELETE },
	{ &server_object, CHANGE_DELETE },
	{ &server_object, CHANGE_SET },
	{ &server_object, CHANGE_ADD },
	{ &upstream_object, CHANGE_SET },
	{ &listener_object, CHANGE_SET },
	{ &listener_object, CHANGE_ADD },
	{ &route_object, CHANGE_DELETE },
	{ &route_object, CHANGE_ADD },
	{ &upstream_object, CHANGE_DELETE },
	{}
};

const struct object *config_next_inner(const struct object *outer,
				       const struct object *last)
{
	const struct object *const *object = config_objects;

	while (last && *object++ != last)
		;
	while (*object && (*object)->form->outer != outer)
		object++;
	return *object;
}

size_t config_operands(const struct object *object)
{
	return object->form->operand ? 2 : 1;
}

size_t config_name_words(const struct object *object)
{
	return object->form->outer ? config_operands(object) : 1;
}

static char *make_key(const struct object *object, const char *outer,
		      const char *name)
{
	char *key;

	if (asprintf(&key, "%s %s %s", object->name, outer, name) < 0)
		alloc_failed();
	return key;
}

static const char *member(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static char *join_members(const json_t *row, const char *const *keys)
{
	char *line = NULL, *text;
	json_t *value;
	size_t size;
	FILE *out;

	out = xopen(&line, &size);
	for (; *keys; keys++) {
		value = json_object_get(row, *keys);
		if (!value)
			continue;
		text = config_text(value);
		fprintf(out, " %s %s", *keys, text);
		free(text);
	}
	xclose(out);
	return line;
}

char *config_key(const struct object *object, const json_t *row)
{
	const struct form *form = object->form;
	const char *outer = form->outer ? member(row, form->outer_key) : "";
	char *name, *key;

	if (!form->keys)
		return make_key(object, outer, member(row, form->key));
	name = join_members(row, form->keys);
	key = make_key(object, outer, name);
	free(name);
	return key;
}

char *config_key_of_name(const struct object *object, const char *name)
{
	return make_key(object, "", name);
}

const char *config_option(const struct definition *d, const char *name,
			  struct origin *from)
{
	size_t i;

	for (i = config_operands(d->object); i + 1 < d->n_words; i += 2) {
		if (strcmp(d->words[i], name))
			continue;
		*from = d->from[i + 1];
		return d->words[i + 1];
	}
	return NULL;
}

void config_blame(struct ctx *ctx, const struct definition *d,
		  const struct origin *from, size_t item)
{
	ctx->object = d->object->name;
	ctx->name = d->words[config_name_words(d->object) - 1];
	ctx->place = from->items ? from->items[item] : from->place;
}

char *config_text(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	out = xopen(&text, &size);
	print_value(out, value);
	xclose(out);
	return text;
}

void definition_free(struct definition *d)
{
	size_t i;

	for (i = 0; i < d->n_words; i++) {
		free(d->words[i]);
		free((void *)d->from[i].items);
	}
	free(d->words);
	free(d->from);
	json_decref(d->row);
}

void config_free(struct config *config)
{
	size_t i;

	for (i = 0; i < config->n; i++)
		definition_free(&config->list[i]);
	free(config->list);
	json_decref(config->names);
}
