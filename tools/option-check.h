/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_OPTION_CHECK_H
#define KPROXY_OPTION_CHECK_H

#include <jansson.h>

struct nlattr;

/* How servers are checked: a word, or a preset of a text and a pattern. */
extern const struct option_type option_check;
extern const char *const check_words[];
/* Any bytes, with the escapes of C. At most .max. */
extern const struct option_type option_text;
/* The same for a pattern, in which \*, \?, \[, \] and \\ are kept. */
extern const struct option_type option_pattern;

/*
 * Show the text and the pattern of a preset as the preset. @tb is of
 * fields_parse() with the attributes of an upstream, @row has its options.
 */
void option_check_show(struct nlattr **tb, json_t *row);

#endif
