/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_IMPORT_H
#define KPROXY_IMPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

struct args;
struct ctx;
struct object;

/**
 * struct import - a configuration that is made of another program's
 * @ctx: for messages; its file is the one that is read
 * @upstreams: by name, as a configuration file has them
 * @listeners: the same
 * @notes: what cannot be carried over: keys of a line and a text
 * @claims: the listener that has an address, by address
 * @known: what objects have already
 */
struct import {
	struct ctx *ctx;
	json_t *upstreams;
	json_t *listeners;
	json_t *notes;
	json_t *claims;
	json_t *known;
};

/* Each reads the text of one program's configuration; see import_formats[]. */
void import_haproxy(struct import *im, char *text);
void import_nginx(struct import *im, char *text);
void import_ipvsadm(struct import *im, char *text);

/* "config import" and "config export". */
int import_run(struct ctx *ctx, struct args *args);
int export_run(struct ctx *ctx, struct args *args);

/* Say what cannot be carried over, once for each line and text. */
void __printf(3, 4) import_note(struct import *im, unsigned int line,
				const char *fmt, ...);

/* The same for words of the file, with a reason or NULL. */
void import_refuse(struct import *im, unsigned int line, char *const *words,
		   size_t n, const char *why);

/* Set an option; a value that kproxy does not take is noted and limited. */
void import_number(struct import *im, unsigned int line, json_t *row,
		   const struct object *object, const char *name,
		   uint64_t value);

/* Whether the object has this option, and, unless @word is NULL, this value. */
bool import_knows(const struct object *object, const char *name,
		  const char *word);

/*
 * Set keepalive: two times in milliseconds and a count. Returns NULL, or why it
 * cannot be carried over.
 */
const char *import_keepalive(json_t *row, uint64_t idle, uint64_t interval,
			     uint64_t count);

/* A new upstream, with an empty list of servers; borrowed. */
json_t *import_upstream(struct import *im, const char *name, const char **key);

/* A new listener; borrowed. */
json_t *import_listener(struct import *im, const char *name, const char **key);

/* The listeners that one section becomes, by their names. */
struct import_variants {
	const char **keys;
	size_t n;
};

/*
 * The one with the options @want, which may be a new one called @name; borrowed.
 * At the end those without an address are deleted; returns whether any is left.
 */
json_t *import_variant(struct import *im, struct import_variants *made,
		       const char *name, json_t *want, const char **key);
bool import_variants_end(struct import *im, struct import_variants *made);

/*
 * Add a server. @host is an address without brackets, or a name. Returns the
 * row, borrowed; NULL if it cannot be one, which has been noted.
 */
json_t *import_server(struct import *im, unsigned int line, json_t *upstream,
		      const char *host, uint16_t port);

/* How a listener accepts IPv4 on the address "::". */
enum import_dual { IMPORT_V6ONLY, IMPORT_DUAL, IMPORT_DUAL_IF_FREE };

/* Add an address to a listener; what cannot be one is noted. */
void import_address(struct import *im, unsigned int line, json_t *listener,
		    const char *name, const char *host, uint16_t port,
		    enum import_dual dual);

void import_route(struct import *im, unsigned int line, json_t *listener,
		  const char *sni, const char *upstream);

/*
 * A time of numbers with units, "1h30m", in milliseconds; @unit is that of a
 * number without one. Returns whether it is one.
 */
bool import_time(const char *text, const char *unit, uint64_t *ms);

/* A decimal number that fits. */
bool import_count(const char *text, uint64_t *value);

/* The text @format makes, for free(). */
char *__printf(1, 2) import_text(const char *format, ...);

#endif
