/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_NL_H
#define KPROXY_NL_H

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

#endif
