/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TOP_SAMPLE_H
#define KPROXY_TOP_SAMPLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "print.h"

struct ctx;

/* What a line of the screen is about. */
enum top_subject {
	TOP_SESSIONS,
	TOP_SERVERS,
	TOP_CLIENTS,
	TOP_SUBJECTS,
};

/**
 * struct top_sample - what the kernel counted at one moment, and since the last
 * @us: when, by the monotonic clock
 * @totals: of the namespace
 * @rates: what of @totals grew, a second
 * @pools: one object a CPU
 * @away: servers that are ejected or down
 * @sessions: one object each
 * @by_id: the same, found by their number as text
 */
struct top_sample {
	uint64_t us;
	json_t *totals;
	json_t *rates;
	json_t *pools;
	json_t *away;
	json_t *sessions;
	json_t *by_id;
};

/**
 * top_sample_take() - ask the kernel, and compare with the time before
 * @ctx: where
 * @sample: the last one, all zero at first; is replaced
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int top_sample_take(struct ctx *ctx, struct top_sample *sample);

void top_sample_free(struct top_sample *sample);

/**
 * top_rows() - the lines about @subject, in the order that is wanted
 * @sample: where they come from
 * @subject: sessions, or what several of them have in common
 * @key: of the value that they are sorted by: numbers from the largest, words
 *	by the alphabet
 * @reverse: the other way round
 *
 * Return: a new array
 */
json_t *top_rows(const struct top_sample *sample, enum top_subject subject,
		 const char *key, bool reverse);

/* How they look as text. */
extern const struct table top_away_table;
extern const struct table top_tables[TOP_SUBJECTS];

#endif
