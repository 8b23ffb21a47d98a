/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_DIFF_H
#define KPROXY_CONFIG_DIFF_H

#include <jansson.h>
#include <stddef.h>

#include "args.h"
#include "ctx.h"

struct config;
struct object;

enum change_verb {
	CHANGE_ADD,
	CHANGE_SET,
	CHANGE_DELETE,
};

/* The commands that make all changes of one kind, one step after another. */
struct config_step {
	const struct object *object;
	enum change_verb verb;
};

/* The order that the kernel accepts; the last has no object. */
extern const struct config_step config_steps[];

/* The command of each. */
extern const char *const change_verbs[];

/**
 * struct change - a command that makes one object what a file says
 * @object: its kind
 * @verb: which command
 * @words: what follows it
 * @from: where each word was read, nowhere for a deletion
 * @n_words: how many
 * @place: where in the file the object is
 * @was: what the object has so far, by option, of what the change makes
 *	different; NULL for an object that is only added or deleted
 */
struct change {
	const struct object *object;
	enum change_verb verb;
	char **words;
	struct origin *from;
	size_t n_words;
	struct place place;
	json_t *was;
};

struct changes {
	struct change *list;
	size_t n;
};

/*
 * Find what makes @running equal to @config, and say what is left as it is
 * because the file does not name it; for changes_free(). Servers of @followed,
 * rows of names.h, are not deleted.
 */
void changes_find(struct ctx *ctx, struct changes *changes,
		  const struct config *config, const json_t *running,
		  const json_t *followed);
void changes_free(struct changes *changes);

typedef int (*change_fn)(struct ctx *ctx, const struct change *change,
			 void *arg);

/* Call @fn for each in the order of config_steps, until it fails. */
int changes_walk(struct ctx *ctx, const struct changes *changes, change_fn fn,
		 void *arg);

/* For an object's compare(): a word of the command, and what was there. */
void change_add_word(struct change *change, const char *text,
		     struct origin from);
void change_note_was(struct change *change, const char *name, json_t *value);

#endif
