/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_IMPORT_RULES_H
#define KPROXY_IMPORT_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct import;

/**
 * struct rule - clients of a network are admitted or not
 * @addr: its first address, IPv4 as mapped IPv6
 * @bits: length of the prefix
 * @v4: whether it is IPv4
 * @allow: whether they are admitted
 * @text: as a configuration file has it
 * @line: of the file that is read
 */
struct rule {
	uint8_t addr[16];
	uint8_t bits;
	bool v4;
	bool allow;
	char *text;
	unsigned int line;
};

/* Rules of which the first that matches a client decides. */
struct rules {
	struct rule *list;
	size_t n;
};

/*
 * Add a rule for a network, ADDR, ADDR/LEN or ADDR/MASK; for all clients if
 * @network is NULL. Returns whether it is one.
 */
bool rules_add(struct rules *rules, unsigned int line, bool allow,
	       const char *network);

/* Make them allow and deny of a listener, of which the longest prefix decides. */
void rules_set(struct import *im, struct rules *rules, json_t *listener);

/* @to must be empty. */
void rules_copy(struct rules *to, const struct rules *from);
void rules_free(struct rules *rules);

#endif
