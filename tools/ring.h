/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_RING_H
#define KPROXY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kproxy_log.h>

struct ring;

/**
 * struct rings - the log of a namespace, mapped
 * @header: where the mapping begins; NULL when nothing is mapped
 * @size: of the mapping
 * @rings: what was read of each ring
 * @n: how many there can be
 */
struct rings {
	const struct kproxy_log_header *header;
	size_t size;
	struct ring *rings;
	size_t n;
};

/**
 * rings_map() - map a log
 * @rings: what is mapped
 * @fd: a descriptor of the log, which may be closed afterwards
 *
 * Return: 0; -1 with errno set, EPROTO when it is not a log
 */
int rings_map(struct rings *rings, int fd);
void rings_unmap(struct rings *rings);

/* Whether the next rings_read() reads the last records. */
bool rings_ended(const struct rings *rings);

/**
 * rings_read() - copy what was not read before
 * @rings: the log
 * @records: gets the records, for free(), in the order in which they were ended
 * @lost: gets how many were overwritten before they were read, not counting
 *	those before the first call
 *
 * Return: how many records
 */
size_t rings_read(struct rings *rings, struct kproxy_log_record **records,
		  uint64_t *lost);

#endif
