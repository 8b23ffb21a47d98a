/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CHANGE_H
#define KPROXY_CHANGE_H

#include <jansson.h>
#include <stddef.h>

#include "args.h"
#include "ctx.h"

struct config;
struct object;

/* In the order in which they are made; see changes_send(). */
enum change_step {
	CHANGE_ADD_UPSTREAM,
	CHANGE_DEL_LISTENER,
	CHANGE_DEL_SERVER,
	CHANGE_SET_SERVER,
	CHANGE_ADD_SERVER,
	CHANGE_SET_UPSTREAM,
	CHANGE_SET_LISTENER,
	CHANGE_ADD_LISTENER,
	CHANGE_DEL_ROUTE,
	CHANGE_ADD_ROUTE,
	CHANGE_DEL_UPSTREAM,

	CHANGE_STEPS
};

/**
 * struct change - what makes one object what a file says
 * @object: its kind
 * @step: when and what
 * @words: what follows the command
 * @from: where each was read, nowhere for a deletion
 * @n_words: how many
 * @place: where in the file the object is
 * @was: the options that it has so far, of a CHANGE_SET_*; of a route that is
 *	deleted and added again, where it leads
 */
struct change {
	const struct object *object;
	enum change_step step;
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

/**
 * struct running - what the kernel has
 * @upstreams: array of upstreams, with their servers
 * @listeners: array of listeners, each with an array of its routes
 */
struct running {
	json_t *upstreams;
	json_t *listeners;
};

/* Exit status; what is not STATUS_DONE has been reported. */
int running_load(struct ctx *ctx, struct running *running);
void running_free(struct running *running);

/* What makes of @running what @config says; for changes_free(). */
void changes_find(struct changes *changes, const struct config *config,
		  const struct running *running);
void changes_free(struct changes *changes);

/* Print them as commands or as JSON. */
int changes_show(const struct ctx *ctx, const struct changes *changes);

/* Ask for each of them. Exit status; reported. */
int changes_send(struct ctx *ctx, const struct changes *changes);

#endif
