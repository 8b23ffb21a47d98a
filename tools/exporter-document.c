// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says, as documents that are sent to clients. A thousand
 * clients that come at once get the same one: asking the kernel for each would
 * keep everyone waiting.
 */
#include "exporter-document.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "cmd.h"
#include "ctx.h"
#include "exporter-response.h"
#include "metrics.h"
#include "nl.h"
#include "print.h"
#include "view.h"

/*
 * A document is sent again for this time in microseconds, or for this multiple of
 * the time that it took to make, whichever is longer. Making documents therefore
 * takes a fifth of a processor at most.
 */
#define FRESH 200000
#define FRESH_COSTS 4

/* Bytes of older documents that slow clients may hold. */
#define OLD_MAX (64 << 20)

/* Beyond that, a document is sent again if it is no older than this. */
#define STALE 5000000

/* A host may have millions. */
#define SESSIONS_MAX 1000

#define RESPONSE_OF MHD_create_response_from_buffer_with_free_callback_cls

/**
 * struct body - the text of a response
 * @documents: whose it is
 * @old: there is a newer one
 */
struct body {
	struct documents *documents;
	char *text;
	size_t size;
	bool old;
};

/**
 * struct source - how a document is made
 * @type: of its content
 * @view: what it shows; NULL for metrics
 * @most: rows that it has at most, 0 for all
 */
static const struct source {
	const char *type;
	const struct view *view;
	size_t most;
	enum metrics_format format;
} sources[DOCUMENTS] = {
	[DOCUMENT_OPENMETRICS] = { .type = RESPONSE_OPENMETRICS,
				   .format = METRICS_OPENMETRICS },
	[DOCUMENT_PROMETHEUS] = { .type = RESPONSE_PROMETHEUS,
				  .format = METRICS_PROMETHEUS },
	[DOCUMENT_LISTENERS] = { .type = RESPONSE_JSON,
				 .view = &listener_view },
	[DOCUMENT_UPSTREAMS] = { .type = RESPONSE_JSON,
				 .view = &upstream_view },
	[DOCUMENT_SESSIONS] = { .type = RESPONSE_JSON, .view = &session_view,
				.most = SESSIONS_MAX },
	[DOCUMENT_STATS] = { .type = RESPONSE_JSON, .view = &stats_view },
	[DOCUMENT_POOLS] = { .type = RESPONSE_JSON, .view = &pool_view },
};

static int write_rows(struct ctx *ctx, FILE *out, const struct source *source)
{
	json_t *rows = json_array();
	int status;

	if (source->most)
		status = view_first(ctx, source->view, source->most, rows);
	else
		status = view_rows(ctx, source->view, rows);
	if (!status) {
		json_dumpf(rows, out, JSON_ENSURE_ASCII | JSON_COMPACT);
		fputc('\n', out);
	}
	json_decref(rows);
	return status;
}

/* The module may have been loaded again since the last time. */
static int ask(struct ctx *ctx, FILE *out, const struct source *source)
{
	int status = nl_open(ctx);

	nl_forget(ctx);
	if (!status)
		status = nl_check(ctx);
	if (status)
		return status;
	if (source->view)
		return write_rows(ctx, out, source);
	return metrics_write(ctx, out, source->format);
}

/* Write the document to @out, and what is wrong to @errors. */
static int make(struct ctx *ctx, const struct source *source, FILE *out,
		FILE *errors)
{
	int status;

	ctx->errors = errors;
	ctx->stats = true;
	ctx->object = NULL;
	ctx->name = NULL;
	status = ask(ctx, out, source);
	ctx->errors = NULL;
	return status;
}

static void free_body(void *cls)
{
	struct body *body = cls;

	if (body->old)
		body->documents->old -= body->size;
	free(body->text);
	free(body);
}

static struct MHD_Response *make_response(struct body *body, const char *type)
{
	struct MHD_Response *response;

	response = RESPONSE_OF(body->size, body->text, free_body, body);
	if (!response)
		alloc_failed();
	response_set(response, type);
	return response;
}

static void replace(struct documents *documents, struct document *document,
		    struct document *by)
{
	struct document last = *document;

	*document = *by;
	if (!last.response)
		return;
	last.body->old = true;
	documents->old += last.body->size;
	MHD_destroy_response(last.response);
}

static void renew(struct documents *documents, enum document_name name)
{
	const struct source *source = &sources[name];
	const char *type = source->type;
	struct document next = { .made_us = clock_us(), .status = MHD_HTTP_OK };
	struct body *body = xmalloc(sizeof(*body));
	FILE *out, *errors;
	char *message;
	size_t size;
	int status;

	*body = (struct body){ .documents = documents };
	out = xopen(&body->text, &body->size);
	errors = xopen(&message, &size);
	status = make(documents->ctx, source, out, errors);
	xclose(out);
	xclose(errors);
	if (status) {
		next.status = MHD_HTTP_SERVICE_UNAVAILABLE;
		type = source->view ? type : RESPONSE_TEXT;
		free(body->text);
		message[strcspn(message, "\n")] = '\0';
		body->text = response_text(type, message);
		body->size = strlen(body->text);
	}
	free(message);
	next.body = body;
	next.response = make_response(body, type);
	next.cost_us = clock_us() - next.made_us;
	replace(documents, &documents->all[name], &next);
}

static bool is_fresh(const struct document *document, uint64_t now)
{
	uint64_t fresh = FRESH_COSTS * document->cost_us;

	if (fresh < FRESH)
		fresh = FRESH;
	return document->response && now - document->made_us < fresh;
}

const struct document *documents_get(struct documents *documents,
				     enum document_name name)
{
	const struct document *document = &documents->all[name];
	uint64_t now = clock_us();

	if (is_fresh(document, now))
		return document;
	if (documents->old > OLD_MAX && document->response)
		return now - document->made_us < STALE ? document : NULL;
	renew(documents, name);
	return document;
}

void documents_free(struct documents *documents)
{
	size_t i;

	for (i = 0; i < DOCUMENTS; i++)
		if (documents->all[i].response)
			MHD_destroy_response(documents->all[i].response);
}
