/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_APPLY_H
#define KPROXY_CONFIG_APPLY_H

struct config;
struct ctx;

/*
 * Both return an exit status, and have reported what is not STATUS_DONE.
 */

/* Make what the kernel has equal to @config, all of it or nothing. */
int config_apply(struct ctx *ctx, const struct config *config);

/* Print the changes that config_apply() would make. */
int config_preview(struct ctx *ctx, const struct config *config);

#endif
