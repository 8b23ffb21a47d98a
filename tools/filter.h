/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_FILTER_H
#define KPROXY_FILTER_H

struct args;
struct ctx;
struct request;

/**
 * filter_parse() - read all that is left of the line as a choice of sessions
 * @ctx: for messages, which are about one session when it is chosen by its id
 * @args: ID, or any of listener NAME, upstream NAME, server ADDR:PORT and
 *	client ADDR[/LEN], which must all match
 * @req: gets the choice
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int filter_parse(struct ctx *ctx, struct args *args, struct request *req);

#endif
