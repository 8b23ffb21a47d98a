/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The names of servers that are followed. The kernel knows addresses only, so
 * the list is a file in /run/kproxy, one for each network namespace. It says
 * which names there are, and which servers "kproxy resolve" has made of each;
 * all other servers belong to people and files.
 */
#ifndef KPROXY_NAMES_H
#define KPROXY_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "option.h"

struct args;
struct ctx;

/* Enough for a name as text, with its port. */
#define NAME_TEXT_MAX 260

/* Where the lists are. */
#define NAMES_DIR "/run/kproxy"

/* Options of a name are read as those of a server at this address. */
#define NAMES_ANY_ADDRESS "192.0.2.1:1"

/**
 * struct names - the list, locked against other processes
 * @rows: an array of objects: upstream, name, options, and servers, an object
 *	of addresses that are true while they are drained
 * @path: the file
 * @lock: descriptor of the lock, -1 if there is none because there is no list
 */
struct names {
	json_t *rows;
	char *path;
	int lock;
};

/**
 * names_parse() - read HOST:PORT, or _SERVICE._PROTO.DOMAIN
 * @text: the whole word
 * @host: gets the name, NAME_TEXT_MAX bytes
 * @port: gets the port; 0 for a service, which has SRV records
 *
 * Return: NULL, or the reason why it is refused
 */
const char *names_parse(const char *text, char *host, uint16_t *port);

/*
 * Lock the list and read it; with @create make it if there is none. Returns exit
 * status; what is not STATUS_DONE has been reported. For names_close().
 */
int names_open(struct ctx *ctx, struct names *names, bool create);
int names_save(struct ctx *ctx, const struct names *names);
void names_close(struct names *names);

/* The row of a name, borrowed; NULL if it is not followed. */
json_t *names_find(const struct names *names, const char *upstream,
		   const char *name);

/* A row without servers. */
json_t *names_row(const char *upstream, const char *name, json_t *options);

/* The list as it is now, without a lock; empty if there is none. */
json_t *names_read(struct ctx *ctx);

/* The option "resolve", a table of its own. */
extern const struct option_spec option_resolve[];

/* Whether a row has this server. */
bool names_owns(const json_t *row, const char *upstream, const char *address);

/* Take the servers of a row out of an array of servers of its upstream. */
void names_drop(json_t *servers, const json_t *row);

/* Become the process that follows them, until it ends; false if another is. */
bool names_claim(struct ctx *ctx);

/* Say so if no process follows them. */
void names_warn(struct ctx *ctx);

/*
 * Commands on a name that is followed. Each returns whether the line is about
 * one, and sets the exit status if so; otherwise it is as it was.
 */
bool names_divert_add(struct ctx *ctx, struct args *args, int *status);
bool names_divert_set(struct ctx *ctx, struct args *args, int *status);
bool names_divert_del(struct ctx *ctx, struct args *args, int *status);

#endif
