/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_VIEW_H
#define KPROXY_VIEW_H

#include <jansson.h>
#include <stdint.h>

struct args;
struct ctx;
struct field;
struct nlattr;
struct request;
struct table;

/* Make an object of one message of the kernel. */
typedef json_t *(*view_decode_fn)(const struct ctx *ctx,
				  const struct nlattr *head, int len);

/**
 * struct view - a command that shows objects
 * @cmd: the KPROXY_CMD_* that gets them
 * @build: reads what the line says about which ones into the request
 * @decode: makes an object of each
 * @join: adds to the objects what another request gets, or NULL
 * @table: how they look as text
 * @fields: what metrics are made of, if there are any; see struct field
 * @scope: the list of @fields that is meant
 */
struct view {
	uint8_t cmd;
	int (*build)(struct ctx *ctx, struct args *args, struct request *req);
	view_decode_fn decode;
	int (*join)(struct ctx *ctx, json_t *rows);
	const struct table *table;
	const struct field *fields;
	unsigned int scope;
};

/*
 * All return an exit status and have reported what is not STATUS_DONE.
 */
int view_show(struct ctx *ctx, struct args *args, const struct view *view);

/* Fill @rows with all that @view shows. */
int view_rows(struct ctx *ctx, const struct view *view, json_t *rows);

/* Fill @rows with the first @most. */
int view_first(struct ctx *ctx, const struct view *view, size_t most,
	       json_t *rows);

/*
 * The same for a sample that another soon follows: rows of a list that keeps
 * changing may be missing or there twice, without a warning.
 */
int view_sample(struct ctx *ctx, const struct view *view, json_t *rows);

/*
 * Give each of @rows an array @list of those of @inner that have the row's name
 * as @key.
 */
void view_nest(json_t *rows, const char *list, const json_t *inner,
	       const char *key);

/* Send @req and fill @rows with what comes back. */
int view_fetch(struct ctx *ctx, struct request *req, view_decode_fn decode,
	       json_t *rows);

#endif
