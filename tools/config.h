/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_H
#define KPROXY_CONFIG_H

#include <jansson.h>
#include <stddef.h>

#include "args.h"
#include "ctx.h"

struct object;
struct option_spec;

/**
 * struct definition - an object that a configuration file defines
 * @object: its kind
 * @words: what follows "add" on a command line that makes it
 * @from: where each word was read
 * @n_words: how many
 * @place: where it begins
 * @row: it as the kernel would show it, without what it has by default
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
 * @list: upstreams, servers, listeners and routes, in the order of the file
 * @n: how many
 */
struct config {
	struct definition *list;
	size_t n;
};

/**
 * config_read() - read a configuration file and check all that can be checked
 * @ctx: for messages, which name line and column
 * @path: the file, or "-"
 * @config: what it says, for config_free()
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int config_read(struct ctx *ctx, const char *path, struct config *config);
void config_free(struct config *config);

/*
 * The words that name an object on a command line: its name, or an upstream
 * and an address, or for a route its listener.
 */
size_t config_key_words(const struct object *object);

/* Its name in a list of all objects. */
char *config_key(const struct object *object, const json_t *row);

/* The words of a definition's option, or NULL when it does not give it. */
const char *config_option(const struct definition *d, const char *name,
			  struct origin *from);

/* What print_value() makes of a value. */
char *config_text(const json_t *value);

#endif
