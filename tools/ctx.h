/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CTX_H
#define KPROXY_CTX_H

#include <stdbool.h>
#include <stdio.h>

#include "compiler.h"

struct nl_sock;

/* The exit status, as in iproute2. */
enum status {
	STATUS_DONE,
	STATUS_USAGE,	/* the command line or the file is wrong */
	STATUS_KERNEL,	/* the kernel refused or has no kproxy */
};

/**
 * struct place - where in a file a word stands
 * @line: counted from 1, 0 for nowhere
 * @column: counted from 1, 0 for the line as a whole
 */
struct place {
	unsigned int line;
	unsigned int column;
};

/**
 * struct ctx - what one run of the command knows
 * @json: -j, print JSON
 * @pretty: -p, indent the JSON
 * @stats: -s, show counters too
 * @netns: -n, name of the network namespace to work in, or NULL for ours
 * @sock: generic netlink socket in that namespace, NULL until it is opened
 * @ifd: socket in that namespace that knows its interfaces, or -1
 * @family: id of the kproxy family, 0 until it was looked up
 * @file: the batch or configuration file that is read, for messages, or NULL
 * @place: where in that file
 * @object: kind of object that the current command is about, or NULL
 * @name: which one of them, as typed, or NULL
 * @alias: the name of a server that is followed, shown instead of its address; or
 *	NULL
 * @errors: where messages go, NULL for standard error
 */
struct ctx {
	bool json;
	bool pretty;
	bool stats;
	const char *netns;
	struct nl_sock *sock;
	int ifd;
	int family;
	const char *file;
	struct place place;
	const char *object;
	const char *name;
	const char *alias;
	FILE *errors;
};

/**
 * ctx_fail() - say in one line what is wrong
 * @ctx: names the file, line and object
 * @status: what went wrong
 * @fmt: the reason, without object and newline
 *
 * Return: @status
 */
int __printf(3, 4) ctx_fail(const struct ctx *ctx, enum status status,
			    const char *fmt, ...);

#define ctx_refuse(ctx, ...) ctx_fail(ctx, STATUS_USAGE, __VA_ARGS__)

/* For what is wrong with the run as a whole: @ctx without its object. */
struct ctx ctx_plain(const struct ctx *ctx);

/* The same line for what is worth knowing but no failure. */
void ctx_warn(const struct ctx *ctx, const char *reason);

#endif
