// SPDX-License-Identifier: GPL-2.0
#include "view.h"

#include "args.h"
#include "ctx.h"
#include "nl.h"
#include "print.h"
#include "request.h"

/* Tries to read a list that changes meanwhile. */
#define FETCH_TRIES 10

/* The same for a list that is soon read again. */
#define SAMPLE_TRIES 3

struct fetch {
	const struct ctx *ctx;
	view_decode_fn decode;
	json_t *rows;
};

static void append(const struct nlattr *head, int len, void *arg)
{
	struct fetch *fetch = arg;

	json_array_append_new(fetch->rows,
			      fetch->decode(fetch->ctx, head, len));
}

static int fetch_once(struct ctx *ctx, struct request *req,
		      view_decode_fn decode, json_t *rows)
{
	struct fetch fetch = { .ctx = ctx, .decode = decode, .rows = rows };

	json_array_clear(rows);
	return nl_exchange(ctx, req, append, &fetch);
}

static int fetch(struct ctx *ctx, struct request *req, view_decode_fn decode,
		 json_t *rows, int tries)
{
	int status;

	do {
		status = fetch_once(ctx, req, decode, rows);
	} while (!status && req->interrupted && --tries);
	return status;
}

int view_fetch(struct ctx *ctx, struct request *req, view_decode_fn decode,
	       json_t *rows)
{
	int status = fetch(ctx, req, decode, rows, FETCH_TRIES);

	if (!status && req->interrupted)
		ctx_warn(ctx, "the list changed while it was read and may be incomplete");
	return status;
}

static int fetch_rows(struct ctx *ctx, struct args *args,
		      const struct view *view, json_t *rows)
{
	struct request *req = request_new(view->cmd);
	int status;

	status = view->build(ctx, args, req);
	if (!status)
		status = args_end(ctx, args);
	if (!status)
		status = view_fetch(ctx, req, view->decode, rows);
	if (!status && view->join)
		status = view->join(ctx, rows);
	request_free(req);
	return status;
}

int view_rows(struct ctx *ctx, const struct view *view, json_t *rows)
{
	struct args none = {};

	return fetch_rows(ctx, &none, view, rows);
}

int view_first(struct ctx *ctx, const struct view *view, size_t most,
	       json_t *rows)
{
	struct request *req = request_new(view->cmd);
	struct args none = {};
	int status;

	status = view->build(ctx, &none, req);
	req->most = most;
	if (!status)
		status = view_fetch(ctx, req, view->decode, rows);
	request_free(req);
	return status;
}

int view_sample(struct ctx *ctx, const struct view *view, json_t *rows)
{
	struct request *req = request_new(view->cmd);
	struct args none = {};
	int status;

	status = view->build(ctx, &none, req);
	if (!status)
		status = fetch(ctx, req, view->decode, rows, SAMPLE_TRIES);
	request_free(req);
	return status;
}

int view_show(struct ctx *ctx, struct args *args, const struct view *view)
{
	json_t *rows = json_array();
	int status;

	status = fetch_rows(ctx, args, view, rows);
	if (!status)
		status = print_rows(ctx, rows, view->table);
	json_decref(rows);
	return status;
}

void view_nest(json_t *rows, const char *list, const json_t *inner,
	       const char *key)
{
	json_t *lists = json_object(), *row;
	const char *name;
	size_t i;

	json_array_foreach(rows, i, row) {
		name = json_string_value(json_object_get(row, "name"));
		json_object_set_new(row, list, json_array());
		json_object_set(lists, name, json_object_get(row, list));
	}
	/* An inner row may be newer than @rows, and then has no place. */
	json_array_foreach((json_t *)inner, i, row) {
		name = json_string_value(json_object_get(row, key));
		json_array_append(json_object_get(lists, name), row);
	}
	json_decref(lists);
}
