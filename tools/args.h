/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ARGS_H
#define KPROXY_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "ctx.h"

struct request;

/**
 * struct origin - where in a file a word was read
 * @place: where it begins
 * @items: where each item of its list begins, or NULL for a word that is none
 */
struct origin {
	struct place place;
	const struct place *items;
};

/**
 * struct args - what is left of a command line
 * @argc: how many words
 * @argv: the words
 * @from: for words of a configuration file: where each was read, or NULL
 * @whole: where what they are about begins
 * @at: is kept at the word or item that was taken last, for messages
 */
struct args {
	int argc;
	char **argv;
	const struct origin *from;
	const struct place *whole;
	struct place *at;
};

/* The next word, or NULL at the end. */
const char *args_next(struct args *args);

/* Messages are about this item of the word that was taken last. */
void args_at_item(const struct args *args, size_t item);

/* Messages are about all the words, not about one of them. */
void args_at_whole(const struct args *args);

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
