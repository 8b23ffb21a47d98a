// SPDX-License-Identifier: GPL-2.0
#include "histogram.h"

#include <stdint.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

/* The end of a bucket in microseconds; each power of two has two buckets. */
static uint64_t bound(unsigned int bucket)
{
	uint64_t power = (uint64_t)KPROXY_HISTOGRAM_FIRST << bucket / 2;

	return bucket % 2 ? power + power / 2 : power;
}

/* @percent of all are shorter, if they are evenly spread within a bucket. */
static json_t *percentile(const uint64_t *counts, unsigned int n,
			  uint64_t total, unsigned int percent)
{
	double rank = total * (percent / 100.0), low, high;
	uint64_t before = 0;
	unsigned int i;

	for (i = 0; i < n - 1 && before + counts[i] < rank; i++)
		before += counts[i];
	low = i ? bound(i - 1) : 0;
	/* The last bucket is open. */
	high = i < n - 1 ? bound(i) : low;
	if (counts[i])
		low += (high - low) * (rank - before) / counts[i];
	return json_integer(low);
}

static json_t *bucket_json(const uint64_t *counts, unsigned int n,
			   unsigned int i)
{
	json_t *bucket = json_object();

	if (i < n - 1)
		json_object_set_new(bucket, "below_us", json_integer(bound(i)));
	json_object_set_new(bucket, "count", json_integer(counts[i]));
	return bucket;
}

static json_t *histogram_json(const uint64_t *counts, unsigned int n,
			      uint64_t sum)
{
	json_t *row = json_object(), *buckets = json_array();
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		total += counts[i];
		if (counts[i])
			json_array_append_new(buckets,
					      bucket_json(counts, n, i));
	}
	json_object_set_new(row, "count", json_integer(total));
	json_object_set_new(row, "sum_us", json_integer(sum));
	json_object_set_new(row, "p50_us", percentile(counts, n, total, 50));
	json_object_set_new(row, "p90_us", percentile(counts, n, total, 90));
	json_object_set_new(row, "p99_us", percentile(counts, n, total, 99));
	json_object_set_new(row, "buckets", buckets);
	return row;
}

static json_t *show_histogram(const struct ctx *ctx, const struct field *field,
			      struct nlattr *attr)
{
	uint64_t counts[KPROXY_HISTOGRAM_BUCKETS] = {}, sum = 0;
	struct nlattr *part;
	unsigned int n = 0;
	int rem;

	(void)ctx;
	(void)field;
	nla_for_each_nested(part, attr, rem) {
		if (nla_type(part) == KPROXY_A_HISTOGRAM_SUM_US)
			sum = field_get_uint(part);
		else if (nla_type(part) == KPROXY_A_HISTOGRAM_BUCKET &&
			 n < KPROXY_HISTOGRAM_BUCKETS)
			counts[n++] = field_get_uint(part);
	}
	return histogram_json(counts, KPROXY_HISTOGRAM_BUCKETS, sum);
}

const struct field_type field_histogram = {
	.show = show_histogram,
	.samples = SAMPLES_HISTOGRAM,
};

json_int_t histogram_below(const json_t *histogram, json_int_t us)
{
	const json_t *bucket, *below;
	json_int_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(histogram, "buckets"), i, bucket) {
		below = json_object_get(bucket, "below_us");
		if (below && json_integer_value(below) <= us)
			n += json_integer_value(json_object_get(bucket,
								"count"));
	}
	return n;
}
