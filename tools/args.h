/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ARGS_H
#define KPROXY_ARGS_H

#include <stdint.h>

struct ctx;
struct request;

/**
 * struct args - what is left of a command line
 * @argc: how many words
 * @argv: the words
 */
struct args {
	int argc;
	char **argv;
};

/* The next word, or NULL at the end. */
const char *args_next(struct args *args);

/*
 * Each of these returns an exit status and has reported what is not
 * STATUS_DONE.
 */

/* Nothing more may be left. */
int args_end(const struct ctx *ctx, const struct args *args);

/* The name that the object has; messages are about it from now on. */
int args_name(struct ctx *ctx, struct args *args, struct request *req,
	      uint16_t attr);

/* The name of the upstream that a server is in. */
int args_upstream(const struct ctx *ctx, struct args *args,
		  struct request *req, uint16_t attr);

/* The address of a server; messages are about it from now on. */
int args_server(struct ctx *ctx, struct args *args, struct request *req,
		uint16_t attr);

/* A comma-separated list of addresses to accept clients on. */
int args_addresses(const struct ctx *ctx, struct args *args,
		   struct request *req, uint16_t attr);

#endif
