/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_RING_H
#define KPROXY_RING_H

#include <stddef.h>
#include <stdint.h>

#include <linux/kproxy_log.h>

struct ring;

/**
 * struct rings - the log of a namespace, mapped
 * @rings: a ring for each CPU
 * @n: how many
 */
struct rings {
	struct ring *rings;
	size_t n;
};

/**
 * rings_open() - map a log
 * @rings: what is mapped
 * @inode: number of the network namespace
 *
 * Return: 0; -1 with errno set: ENOENT when that namespace has no log,
 * ENOTDIR when there are no logs at all
 */
int rings_open(struct rings *rings, uint64_t inode);
void rings_close(struct rings *rings);

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
