/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_METRICS_H
#define KPROXY_METRICS_H

#include <stdio.h>

struct ctx;

enum metrics_format {
	METRICS_OPENMETRICS,
	METRICS_PROMETHEUS,
};

/**
 * metrics_write() - write all counters as text
 * @ctx: with open sockets
 * @out: where to
 * @which: OpenMetrics 1.0, or Prometheus 0.0.4
 *
 * Return: exit status; what is not STATUS_DONE has been reported, and @out has
 * a part of the text
 */
int metrics_write(struct ctx *ctx, FILE *out, enum metrics_format which);

#endif
