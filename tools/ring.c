// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the log of finished sessions, as linux/kproxy_log.h has it: by looking
 * into memory that the kernel writes, without asking it.
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"

#define FOLDER "/sys/kernel/debug/" KPROXY_LOG_FOLDER

/**
 * struct ring - what one CPU writes
 * @records: mapped
 * @n: how many there is room for
 * @next: number of the record that was not read yet, 0 before the first look
 */
struct ring {
	const struct kproxy_log_record *records;
	size_t n;
	uint64_t next;
};

static size_t read_size(uint64_t inode)
{
	char path[PATH_MAX];
	size_t size = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%" PRIu64 "/%s", FOLDER, inode,
		 KPROXY_LOG_SIZE);
	in = fopen(path, "re");
	if (!in)
		return 0;
	if (fscanf(in, "%zu", &size) != 1) {
		size = 0;
		errno = EIO;
	}
	fclose(in);
	return size;
}

static int map_ring(struct ring *ring, uint64_t inode, size_t cpu, size_t size)
{
	char path[PATH_MAX];
	void *map;
	int fd;

	snprintf(path, sizeof(path), "%s/%" PRIu64 "/%s%zu", FOLDER, inode,
		 KPROXY_LOG_RING, cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	ring->records = map;
	ring->n = size / sizeof(*ring->records);
	ring->next = 0;
	return 0;
}

int rings_open(struct rings *rings, uint64_t inode)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF), cpu;
	size_t size = read_size(inode);

	*rings = (struct rings){};
	if (!size) {
		if (errno == ENOENT && access(FOLDER, F_OK))
			errno = ENOTDIR;
		return -1;
	}
	rings->rings = xmalloc(cpus * sizeof(*rings->rings));
	for (cpu = 0; cpu < cpus; cpu++) {
		if (!map_ring(&rings->rings[rings->n], inode, cpu, size))
			rings->n++;
		else if (errno != ENOENT)
			break;
	}
	/* A CPU that is not there has no ring. */
	if (cpu == cpus)
		return 0;
	rings_close(rings);
	return -1;
}

void rings_close(struct rings *rings)
{
	struct ring *ring;

	for (ring = rings->rings; ring < rings->rings + rings->n; ring++)
		munmap((void *)ring->records, ring->n * sizeof(*ring->records));
	free(rings->rings);
	*rings = (struct rings){};
}

/* Copy a record unless it is old, or is overwritten at this moment. */
static bool copy_record(const struct kproxy_log_record *from,
			uint64_t next, struct kproxy_log_record *to)
{
	uint64_t number = __atomic_load_n(&from->number, __ATOMIC_ACQUIRE);

	if (!number || number < next)
		return false;
	memcpy(to, from, sizeof(*to));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&from->number, __ATOMIC_RELAXED) == number;
}

/* Append what is new; what lies between numbers that came was overwritten. */
static size_t read_ring(struct ring *ring, struct kproxy_log_record *to,
			uint64_t *lost)
{
	uint64_t last = 0;
	size_t i, n = 0;

	for (i = 0; i < ring->n; i++) {
		if (!copy_record(&ring->records[i], ring->next, &to[n]))
			continue;
		if (to[n].number > last)
			last = to[n].number;
		n++;
	}
	if (!n)
		return 0;
	if (ring->next)
		*lost += last - ring->next + 1 - n;
	ring->next = last + 1;
	return n;
}

static uint64_t ended_us(const struct kproxy_log_record *record)
{
	return record->start_ms * 1000 + record->duration_us;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = ended_us(a), right = ended_us(b);

	return (left > right) - (left < right);
}

size_t rings_read(struct rings *rings, struct kproxy_log_record **records,
		  uint64_t *lost)
{
	size_t i, n = 0, room = 0;

	for (i = 0; i < rings->n; i++)
		room += rings->rings[i].n;
	*lost = 0;
	*records = xmalloc((room ?: 1) * sizeof(**records));
	for (i = 0; i < rings->n; i++)
		n += read_ring(&rings->rings[i], *records + n, lost);
	qsort(*records, n, sizeof(**records), compare);
	return n;
}
