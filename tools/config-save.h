/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_SAVE_H
#define KPROXY_CONFIG_SAVE_H

#include <jansson.h>
#include <stdio.h>

struct ctx;

/**
 * config_save() - write a file that makes what the kernel has
 * @ctx: says whether as YAML or as JSON
 * @path: the file, NULL or "-" for standard output
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int config_save(struct ctx *ctx, const char *path);

/* Write a configuration as YAML, or as JSON with -j. */
void config_write(const struct ctx *ctx, FILE *out, const json_t *config);

#endif
