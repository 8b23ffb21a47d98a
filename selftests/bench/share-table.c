// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "share-table.h"

void fail(const char *what, const char *name)
{
	fprintf(stderr, "share.so: %s: %s\n", what, name);
	exit(1);
}

void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		fail("no memory", "calloc");
	return p;
}

static uint64_t mix(const uint64_t *key)
{
	uint64_t hash = 0;
	int i;

	for (i = 0; i < KEYS; i++) {
		hash = (hash ^ key[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return hash;
}

static void table_grow(struct table *table)
{
	struct table old = *table;
	struct entry *entry;
	uint64_t slot;
	size_t i;

	table->size = old.size ? 2 * old.size : 1024;
	table->buckets = allocate(table->size, sizeof(*table->buckets));
	for (i = 0; i < old.size; i++) {
		while ((entry = old.buckets[i])) {
			old.buckets[i] = entry->next;
			slot = mix(entry->key) & (table->size - 1);
			entry->next = table->buckets[slot];
			table->buckets[slot] = entry;
		}
	}
	free(old.buckets);
}

uint64_t *table_find(struct table *table, const uint64_t *key, bool make)
{
	struct entry *entry;
	uint64_t slot;

	if (table->used >= table->size)
		table_grow(table);
	slot = mix(key) & (table->size - 1);
	for (entry = table->buckets[slot]; entry; entry = entry->next) {
		if (!memcmp(entry->key, key, sizeof(entry->key)))
			return &entry->value;
	}
	if (!make)
		return NULL;
	entry = allocate(1, sizeof(*entry));
	memcpy(entry->key, key, sizeof(entry->key));
	entry->next = table->buckets[slot];
	table->buckets[slot] = entry;
	table->used++;
	return &entry->value;
}

void table_set(struct table *table, uint64_t number, uint64_t value)
{
	uint64_t key[KEYS] = { number };

	*table_find(table, key, true) = value;
}

uint64_t table_get(struct table *table, uint64_t number)
{
	uint64_t key[KEYS] = { number };
	uint64_t *value = table_find(table, key, false);

	return value ? *value : 0;
}

void table_clear(struct table *table)
{
	struct entry *entry;
	size_t i;

	for (i = 0; i < table->size; i++) {
		while ((entry = table->buckets[i])) {
			table->buckets[i] = entry->next;
			free(entry);
		}
	}
	table->used = 0;
}

/* The last area that begins at the address or before it. */
static size_t areas_position(const struct areas *areas, uint64_t address)
{
	size_t low = 0, high = areas->nr, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (areas->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct area *areas_find(const struct areas *areas, uint64_t address,
			      uint64_t reach)
{
	size_t i = areas_position(areas, address);
	const struct area *area = i ? &areas->list[i - 1] : NULL;

	return area && address - area->address < reach ? area : NULL;
}

void areas_set(struct areas *areas, uint64_t address, uint64_t caller)
{
	size_t i = areas_position(areas, address);

	if (i && areas->list[i - 1].address == address) {
		areas->list[i - 1].caller = caller;
		return;
	}
	areas->list = realloc(areas->list, (areas->nr + 1) * sizeof(*areas->list));
	if (!areas->list)
		fail("no memory", "areas");
	memmove(&areas->list[i + 1], &areas->list[i],
		(areas->nr - i) * sizeof(*areas->list));
	areas->list[i] = (struct area){ address, caller };
	areas->nr++;
}
