/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_HISTOGRAM_H
#define KPROXY_HISTOGRAM_H

#include <jansson.h>

#include "field.h"

/*
 * A nest of buckets as count, sum_us, p50_us, p90_us, p99_us, and of buckets
 * that are not empty, below_us (the last has none) and count.
 */
json_t *field_histogram(const struct ctx *ctx, const struct field *field,
			struct nlattr *attr);

/* How many of a histogram made by field_histogram() are shorter than @us. */
json_int_t histogram_below(const json_t *histogram, json_int_t us);

#endif
