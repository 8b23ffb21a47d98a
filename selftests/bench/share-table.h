/* SPDX-License-Identifier: GPL-2.0 */
/* Tables for the plugin share.c, which ends QEMU when there is no memory. */
#ifndef BENCH_SHARE_TABLE_H
#define BENCH_SHARE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

void __attribute__((noreturn)) fail(const char *what, const char *name);
void *allocate(size_t n, size_t size);

/* A hash table from one number, or a few, to a value. */

#define KEYS 5

struct table {
	struct entry **buckets;
	size_t used, size;
};

struct entry {
	struct entry *next;
	uint64_t key[KEYS];
	uint64_t value;
};

/* The value of this key, 0 at first; NULL if it is not there and not to be made. */
uint64_t *table_find(struct table *table, const uint64_t *key, bool make);

/* Of a key that is one number; 0 where there is none. */
void table_set(struct table *table, uint64_t number, uint64_t value);
uint64_t table_get(struct table *table, uint64_t number);

void table_clear(struct table *table);

/* Few, but asked for by an address within: sorted. */
struct areas {
	struct area {
		uint64_t address, caller;
	} *list;
	size_t nr;
};

/* The last area that begins at the address or less than REACH before it. */
const struct area *areas_find(const struct areas *areas, uint64_t address,
			      uint64_t reach);
void areas_set(struct areas *areas, uint64_t address, uint64_t caller);

#endif /* BENCH_SHARE_TABLE_H */
