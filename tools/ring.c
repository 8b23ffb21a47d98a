// SPDX-License-Identifier: GPL-2.0
/*
 * Read the log of finished sessions from memory that the kernel writes; the
 * format is in linux/kproxy_log.h.
 *
 * Records are read by their numbers. The slot of a record shows whether it is
 * there, has not been written yet, or was overwritten, whatever the writer does
 * meanwhile.
 */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "alloc.h"

/**
 * struct ring - what was read of a ring
 * @next: number of the record to read next, 0 before the first look
 * @newest: largest number seen so far; all up to it were whole once
 */
struct ring {
	uint64_t next;
	uint64_t newest;
};

static bool is_log(const struct kproxy_log_header *header, size_t size)
{
	uint64_t room = (uint64_t)header->ring_records * header->record_size;

	return size >= sizeof(*header) && header->magic == KPROXY_LOG_MAGIC &&
	       header->header_size >= sizeof(*header) +
				      (header->rings + 63ULL) / 64 * 8 &&
	       header->header_size <= size && header->ring_records &&
	       header->record_size >= sizeof(uint64_t) &&
	       header->record_size % sizeof(uint64_t) == 0 &&
	       header->ring_size >= room && header->rings &&
	       (size - header->header_size) / header->rings >=
		       header->ring_size;
}

int rings_map(struct rings *rings, int fd)
{
	struct stat st;
	void *map;

	*rings = (struct rings){};
	if (fstat(fd, &st))
		return -1;
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	if (!is_log(map, st.st_size)) {
		munmap(map, st.st_size);
		errno = EPROTO;
		return -1;
	}
	rings->header = map;
	rings->size = st.st_size;
	rings->n = rings->header->rings;
	rings->rings = xgrow(NULL, rings->n, sizeof(*rings->rings));
	memset(rings->rings, 0, rings->n * sizeof(*rings->rings));
	return 0;
}

void rings_unmap(struct rings *rings)
{
	if (rings->header)
		munmap((void *)rings->header, rings->size);
	free(rings->rings);
	*rings = (struct rings){};
}

bool rings_ended(const struct rings *rings)
{
	return __atomic_load_n(&rings->header->ended, __ATOMIC_ACQUIRE);
}

/* Do not touch a ring that has no memory: the page fault would allocate it. */
static bool is_ready(const struct rings *rings, size_t i)
{
	const uint64_t *ready = (const uint64_t *)rings->header->ready;

	return __atomic_load_n(&ready[i / 64], __ATOMIC_ACQUIRE) >> i % 64 & 1;
}

static const struct kproxy_log_record *slot(const struct rings *rings, size_t i,
					    uint64_t number)
{
	const struct kproxy_log_header *header = rings->header;
	const char *ring = (const char *)header + header->header_size +
			   i * header->ring_size;

	return (const void *)(ring + (number - 1) % header->ring_records *
				     header->record_size);
}

static uint64_t number_of(const struct kproxy_log_record *record)
{
	return __atomic_load_n(&record->number, __ATOMIC_ACQUIRE);
}

/*
 * Copy a record if it is @number.
 * Return: the number of the record that is there; 0 while it is written
 */
static uint64_t copy_record(const struct rings *rings, size_t i,
			    uint64_t number, struct kproxy_log_record *to)
{
	const struct kproxy_log_record *from = slot(rings, i, number);
	size_t size = rings->header->record_size;
	uint64_t found = number_of(from);

	if (found != number)
		return found;
	memset(to, 0, sizeof(*to));
	memcpy(to, from, size < sizeof(*to) ? size : sizeof(*to));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&from->number, __ATOMIC_RELAXED);
}

/* Begin with the oldest record that the ring still has. */
static void find_oldest(const struct rings *rings, size_t i)
{
	struct ring *ring = &rings->rings[i];
	size_t n = rings->header->ring_records, at;
	uint64_t number;

	for (at = 1; at <= n; at++) {
		number = number_of(slot(rings, i, at));
		if (number > ring->newest)
			ring->newest = number;
	}
	ring->next = ring->newest > n ? ring->newest - n + 1 : 1;
}

/*
 * The slot of the next record has another one: go on to the first that may
 * still be there.
 * Return: false if the next record has not been written yet
 */
static bool skip(const struct rings *rings, struct ring *ring, uint64_t found,
		 uint64_t *lost)
{
	size_t n = rings->header->ring_records;
	uint64_t next = ring->next + 1;

	if (found > ring->newest)
		ring->newest = found;
	/* A record that was whole and no longer is, is being overwritten. */
	if (ring->next > ring->newest)
		return false;
	if (ring->newest >= next + n)
		next = ring->newest - n + 1;
	*lost += next - ring->next;
	ring->next = next;
	return true;
}

static size_t read_ring(const struct rings *rings, size_t i,
			struct kproxy_log_record *to, uint64_t *lost)
{
	struct ring *ring = &rings->rings[i];
	size_t room = rings->header->ring_records, n = 0;
	bool first = !ring->next;
	uint64_t found, before = 0;

	if (first)
		find_oldest(rings, i);
	while (n < room) {
		found = copy_record(rings, i, ring->next, &to[n]);
		if (found == ring->next) {
			ring->next++;
			n++;
		} else if (!skip(rings, ring, found, first ? &before : lost)) {
			break;
		}
	}
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
	size_t i, n = 0;

	*lost = 0;
	*records = NULL;
	for (i = 0; i < rings->n; i++) {
		if (!is_ready(rings, i)) {
			/* Everything written to it from now on is new. */
			rings->rings[i].next = 1;
			continue;
		}
		*records = xgrow(*records, n + rings->header->ring_records,
				 sizeof(**records));
		n += read_ring(rings, i, *records + n, lost);
	}
	if (n)
		qsort(*records, n, sizeof(**records), compare);
	return n;
}
