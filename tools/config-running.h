/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_RUNNING_H
#define KPROXY_CONFIG_RUNNING_H

#include <jansson.h>

struct ctx;
struct object;

/**
 * running_load() - get all objects that a configuration file can define
 * @ctx: where
 * @running: gets for each section an array of objects, each with the lists of
 *	its inner objects; for json_decref()
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int running_load(struct ctx *ctx, json_t **running);

/* The array of those of one kind that has a section. */
json_t *running_rows(const json_t *running, const struct object *object);

#endif
