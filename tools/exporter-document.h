/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_EXPORTER_DOCUMENT_H
#define KPROXY_EXPORTER_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

struct ctx;
struct MHD_Response;

enum document_name {
	DOCUMENT_OPENMETRICS,
	DOCUMENT_PROMETHEUS,
	DOCUMENT_LISTENERS,
	DOCUMENT_UPSTREAMS,
	DOCUMENT_SESSIONS,
	DOCUMENT_STATS,
	DOCUMENT_POOLS,
	DOCUMENTS,
};

/**
 * struct document - what the kernel has said, as a response
 * @response: shared by all clients that get it; NULL before the first
 * @status: 200, or 503 with the reason
 * @made_us: when
 * @cost_us: how long that took
 * @body: what @response sends
 */
struct document {
	struct MHD_Response *response;
	unsigned int status;
	uint64_t made_us;
	uint64_t cost_us;
	struct body *body;
};

/**
 * struct documents - all of them
 * @ctx: where they come from
 * @all: the newest of each
 * @old: bytes of older ones, which clients have not taken yet
 */
struct documents {
	struct ctx *ctx;
	struct document all[DOCUMENTS];
	size_t old;
};

/**
 * documents_get() - get a document that is new enough
 * @documents: all of them
 * @name: which one
 *
 * Return: a document, which is the cache's; NULL if slow clients hold as much
 * memory as they may
 */
const struct document *documents_get(struct documents *documents,
				     enum document_name name);

/* When the daemon has ended, and with it all responses. */
void documents_free(struct documents *documents);

#endif
