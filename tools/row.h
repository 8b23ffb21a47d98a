/* SPDX-License-Identifier: GPL-2.0 */
/* Objects as rows of JSON, in the form in which they are shown. */
#ifndef KPROXY_ROW_H
#define KPROXY_ROW_H

#include <jansson.h>

/* The text that a row has for a key, borrowed; empty if it has none. */
const char *row_text(const json_t *row, const char *key);

/* An object of the rows by their texts for a key; for json_decref(). */
json_t *row_index(const json_t *rows, const char *key);

#endif
