// SPDX-License-Identifier: GPL-2.0
#include "config-check.h"

#include <stdbool.h>
#include <stdlib.h>

#include "alloc.h"
#include "cmd.h"
#include "config.h"

/**
 * struct seen - what the definitions so far have
 * @keys: of all objects
 * @counts: how many inner objects of a kind, by the key of the outer one
 * @claims: see struct beside
 */
struct seen {
	json_t *keys;
	json_t *counts;
	json_t *claims;
};

/* Count an inner object. Return: how many its outer object had before. */
static json_int_t count(struct seen *seen, const struct definition *d)
{
	json_int_t n;
	char *key;

	if (!d->object->form->outer)
		return 0;
	if (asprintf(&key, "%s %s", d->object->name, d->words[0]) < 0)
		alloc_failed();
	n = json_integer_value(json_object_get(seen->counts, key));
	json_object_set_new(seen->counts, key, json_integer(n + 1));
	free(key);
	return n;
}

static int check_beside(struct ctx *ctx, const struct definition *d,
			struct seen *seen)
{
	char *key = config_key(d->object, d->row);
	struct beside beside = {
		.again = json_object_get(seen->keys, key),
		.n = count(seen, d),
		.claims = seen->claims,
	};

	json_object_set_new(seen->keys, key, json_true());
	free(key);
	if (!d->object->form->check)
		return STATUS_DONE;
	return d->object->form->check(ctx, d, &beside);
}

static int check_reference(struct ctx *ctx, const struct definition *d,
			   const struct seen *seen)
{
	const struct object *object = d->object->form->refers;
	struct origin from = {};
	const char *name;
	bool known;
	char *key;

	if (!object)
		return STATUS_DONE;
	name = config_option(d, object->name, &from);
	key = config_key_of_name(object, name);
	known = json_object_get(seen->keys, key);
	free(key);
	if (known)
		return STATUS_DONE;
	config_blame(ctx, d, &from, 0);
	return ctx_refuse(ctx, "%s %s: the file has no such %s", object->name,
			  name, object->name);
}

int config_check(struct ctx *ctx, const struct config *config)
{
	struct seen seen = { json_object(), json_object(), json_object() };
	int status = STATUS_DONE;
	size_t i;

	for (i = 0; !status && i < config->n; i++)
		status = check_beside(ctx, &config->list[i], &seen);
	/* What a definition refers to may be defined after it. */
	for (i = 0; !status && i < config->n; i++)
		status = check_reference(ctx, &config->list[i], &seen);
	json_decref(seen.keys);
	json_decref(seen.counts);
	json_decref(seen.claims);
	return status;
}
