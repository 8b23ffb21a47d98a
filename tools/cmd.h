/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CMD_H
#define KPROXY_CMD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct args;
struct column;
struct ctx;
struct form;
struct option_spec;
struct request;
struct view;

/**
 * struct command - what can be done with an object; one of three kinds
 * @name: as typed; NULL ends a table
 * @view: shows what this describes
 * @cmd: the KPROXY_CMD_* that is sent with what @build makes of the line
 * @build: returns exit status
 * @divert: NULL, or called before @build; returns whether it has run the line,
 *	with its exit status
 * @run: does all else; returns exit status
 */
struct command {
	const char *name;
	const struct view *view;
	uint8_t cmd;
	int (*build)(struct ctx *ctx, struct args *args, struct request *req);
	bool (*divert)(struct ctx *ctx, struct args *args, int *status);
	int (*run)(struct ctx *ctx, struct args *args);
};

/**
 * struct object - a kind of object, one in each cmd-*.c
 * @name: as typed
 * @usage: its commands, for help
 * @options: its options, for help, or NULL
 * @commands: what can be done with it; the first that a shortened word fits
 *	is meant. NULL when the object has no commands
 * @form: how it is written in a configuration file, NULL if it is not
 * @run: called when it has no commands; needs no kernel
 */
struct object {
	const char *name;
	const char *usage;
	const struct option_spec *options;
	const struct command *commands;
	const struct form *form;
	int (*run)(struct ctx *ctx, struct args *args);
};

extern const struct object listener_object;
extern const struct object upstream_object;
extern const struct object server_object;
extern const struct object session_object;
extern const struct object stats_object;
extern const struct object pool_object;
extern const struct object config_object;
extern const struct object monitor_object;
extern const struct object log_object;
extern const struct object metrics_object;
extern const struct object resolve_object;
extern const struct object exporter_object;
extern const struct object run_object;
extern const struct object route_object;
extern const struct object splice_object;
extern const struct object top_object;
extern const struct object version_object;
extern const struct object help_object;

/* The command of @object that is called @name, or NULL. */
const struct command *cmd_find(const struct object *object, const char *name);

/**
 * cmd_run() - run one command
 * @ctx: its context
 * @args: OBJECT COMMAND ...
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int cmd_run(struct ctx *ctx, struct args *args);

/* What "show" shows, for others that show it too. */
extern const struct view listener_view;
extern const struct view upstream_view;
extern const struct view server_view;
extern const struct view session_view;
extern const struct view route_view;
extern const struct view stats_view;
extern const struct view pool_view;

/* The cell of a server's health: also why and how long it is ejected. */
void server_print_health(FILE *out, const struct column *column,
			 const json_t *row);

#endif
