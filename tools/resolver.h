/* SPDX-License-Identifier: GPL-2.0 */
/* What the files share that follow the names of servers. */
#ifndef KPROXY_RESOLVER_H
#define KPROXY_RESOLVER_H

#include <jansson.h>
#include <stdbool.h>

#include "names.h"

struct ctx;
struct dns;
struct dns_options;
struct request;

/**
 * struct resolver - what follows names
 * @ctx: for messages and the kernel
 * @dns: what looks them up
 * @names: the list, open during a pass
 * @upstreams: of the kernel, by name, during a pass
 * @failures: what was said last about a name, by name
 * @busy: some server is drained
 * @failed: something was refused, and is tried again later
 * @changed: the list is to be saved
 * @empty: it has no name
 */
struct resolver {
	struct ctx *ctx;
	struct dns *dns;
	struct names names;
	json_t *upstreams;
	json_t *failures;
	bool busy;
	bool failed;
	bool changed;
	bool empty;
};

/* Follow all names until the process is to end; returns exit status. */
int resolver_run(struct ctx *ctx, const struct dns_options *options);

/* Make the servers of a row of an upstream what the answers to its names say. */
void resolver_follow(struct resolver *r, const json_t *upstream);

/*
 * The request of a command on a server, for request_free(). When @status is not
 * STATUS_DONE, an error in the words has been reported.
 */
struct request *resolver_request(struct ctx *ctx, const char *verb,
				 const json_t *words, int *status);

/* Make changes, arrays of a verb and its words, or none; returns exit status. */
int resolver_commit(struct ctx *ctx, const json_t *commands);

#endif
