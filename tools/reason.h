/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_REASON_H
#define KPROXY_REASON_H

#include <stdint.h>

#include <jansson.h>

/* Why a session ended, by enum kproxy_reason; ends with NULL. */
extern const char *const reason_words[];

/* The word; a reason that a newer kernel has stays a number. */
json_t *reason_json(uint32_t reason);

#endif
