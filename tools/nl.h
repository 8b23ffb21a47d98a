/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_NL_H
#define KPROXY_NL_H

#include <stdbool.h>

struct ctx;
struct nlattr;
struct request;

/* Called for each message that answers a request, with its attributes. */
typedef void (*nl_reply_fn)(const struct nlattr *head, int len, void *arg);

/**
 * nl_open() - open the sockets to the kernel, unless they are open
 * @ctx: says in which network namespace; gets the sockets
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int nl_open(struct ctx *ctx);
void nl_shut(struct ctx *ctx);

/* Find kproxy in the kernel, unless it was found. Return: as nl_open() */
int nl_check(struct ctx *ctx);

/* The same, without a report. */
bool nl_find(struct ctx *ctx);

/* The module was unloaded: what was found of it does not hold for the next. */
void nl_forget(struct ctx *ctx);

/**
 * nl_exchange() - send a request and wait until it is answered
 * @ctx: with open sockets
 * @req: the request
 * @reply: called for each message of the answer, may be NULL
 * @arg: handed to @reply
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int nl_exchange(struct ctx *ctx, struct request *req, nl_reply_fn reply,
		void *arg);

/*
 * Called for each event, with its KPROXY_CMD_* and its attributes. Any status
 * but STATUS_DONE has been reported and ends the loop.
 */
typedef int (*nl_event_fn)(const struct ctx *ctx, int cmd,
			   const struct nlattr *head, int len);

/**
 * nl_listen() - hear of events until interrupted
 * @ctx: with open sockets, which serve nothing else after this
 * @groups: names of multicast groups of the family, each once, up to NULL; the
 *          family has two
 * @event: called for each
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int nl_listen(struct ctx *ctx, const char *const *groups, nl_event_fn event);

#endif
