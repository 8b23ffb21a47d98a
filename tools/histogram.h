/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_HISTOGRAM_H
#define KPROXY_HISTOGRAM_H

#include <jansson.h>

#include "field.h"

/*
 * A nest of buckets, never NULL. Its JSON has count, sum_us, p50_us, p90_us and
 * p99_us, and for each bucket that is not empty, below_us and count; the last
 * bucket has no below_us.
 */
extern const struct field_type field_histogram;

/* How many of a histogram of that type are shorter than @us. */
json_int_t histogram_below(const json_t *histogram, json_int_t us);

#endif
