/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_READ_H
#define KPROXY_CONFIG_READ_H

struct config;
struct ctx;

/**
 * config_read() - read a configuration file and check all that can be checked
 * @ctx: for messages, which name line and column
 * @path: the file, or "-"
 * @config: what it says, for config_free()
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int config_read(struct ctx *ctx, const char *path, struct config *config);

#endif
