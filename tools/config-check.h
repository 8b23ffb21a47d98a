/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CONFIG_CHECK_H
#define KPROXY_CONFIG_CHECK_H

struct config;
struct ctx;

/*
 * Refuse definitions that are right by themselves but not together. Returns exit
 * status; what is not STATUS_DONE has been reported.
 */
int config_check(struct ctx *ctx, const struct config *config);

#endif
