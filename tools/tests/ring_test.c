// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the log while it is written. The writer is here: what it does in the
 * midst of a read, it does when the reader touches a page that was taken away.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"
#include "tap.h"

#define RECORDS 64
#define RINGS 3
#define PAGE 4096
#define RING_SIZE (RECORDS * 1024)

/* A log as the kernel has it, mapped for writing. */
struct writer {
	int fd;
	struct kproxy_log_header *header;
	uint64_t last[RINGS];
};

static struct kproxy_log_record *slot(struct writer *w, int ring,
				      uint64_t number)
{
	char *at = (char *)w->header + PAGE + ring * RING_SIZE;

	return (struct kproxy_log_record *)
		(at + (number - 1) % RECORDS * w->header->record_size);
}

static void writer_open(struct writer *w, size_t record_size)
{
	size_t size = PAGE + RINGS * RING_SIZE;

	*w = (struct writer){ .fd = memfd_create("log", MFD_CLOEXEC) };
	if (w->fd < 0 || ftruncate(w->fd, size))
		abort();
	w->header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd,
			 0);
	if (w->header == MAP_FAILED)
		abort();
	*w->header = (struct kproxy_log_header){
		.magic = KPROXY_LOG_MAGIC,
		.header_size = PAGE,
		.record_size = record_size,
		.ring_records = RECORDS,
		.ring_size = RING_SIZE,
		.rings = RINGS,
	};
	w->header->ready[0] = 1;
}

static void writer_close(struct writer *w)
{
	munmap(w->header, PAGE + RINGS * RING_SIZE);
	close(w->fd);
}

static void begin_record(struct writer *w, int ring)
{
	struct kproxy_log_record *record = slot(w, ring, ++w->last[ring]);

	__atomic_store_n(&record->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	record->id = w->last[ring];
	record->bytes_in = w->last[ring];
	record->stall_server_us = w->last[ring];
}

static void end_record(struct writer *w, int ring)
{
	__atomic_store_n(&slot(w, ring, w->last[ring])->number, w->last[ring],
			 __ATOMIC_RELEASE);
}

static void write_records(struct writer *w, int ring, int n)
{
	while (n--) {
		begin_record(w, ring);
		end_record(w, ring);
	}
}

/* Compare what a look finds: how many, from which number on, how many lost. */
static void looks(struct rings *rings, size_t n, uint64_t first, uint64_t lost,
		  const char *name)
{
	struct kproxy_log_record *records;
	char got[128], want[128];
	uint64_t missed;
	size_t count, i;
	bool whole = true;

	count = rings_read(rings, &records, &missed);
	for (i = 0; i < count; i++)
		whole = whole && records[i].number >= records[0].number + i &&
			records[i].id == records[i].number &&
			records[i].stall_server_us == records[i].number;
	snprintf(got, sizeof(got), "%zu from %llu, lost %llu%s", count,
		 count ? (unsigned long long)records[0].number : 0,
		 (unsigned long long)missed, whole ? "" : ", torn");
	snprintf(want, sizeof(want), "%zu from %llu, lost %llu", n,
		 (unsigned long long)first, (unsigned long long)lost);
	tap_is(got, want, name);
	free(records);
}

static void test_a_look_after_another(void)
{
	struct rings rings;
	struct writer w;

	writer_open(&w, sizeof(struct kproxy_log_record));
	tap_ok(!rings_map(&rings, w.fd), "it is mapped");
	looks(&rings, 0, 0, 0, "nothing yet");
	write_records(&w, 0, 3);
	looks(&rings, 3, 1, 0, "three");
	looks(&rings, 0, 0, 0, "nothing new");
	write_records(&w, 0, RECORDS);
	looks(&rings, RECORDS, 4, 0, "as many as there is room for");
	write_records(&w, 0, RECORDS + 5);
	looks(&rings, RECORDS, RECORDS + 9, 5, "five were overwritten");
	write_records(&w, 0, 10 * RECORDS + 1);
	looks(&rings, RECORDS, 11 * RECORDS + 10, 9 * RECORDS + 1,
	      "many were overwritten");
	begin_record(&w, 0);
	looks(&rings, 0, 0, 0, "one is being written");
	end_record(&w, 0);
	looks(&rings, 1, 12 * RECORDS + 10, 0, "and is there");
	rings_unmap(&rings);

	tap_ok(!rings_map(&rings, w.fd), "it is mapped again");
	looks(&rings, RECORDS, 11 * RECORDS + 11, 0,
	      "the first look finds all, and misses none");
	rings_unmap(&rings);

	tap_ok(!rings_map(&rings, w.fd), "it is mapped once more");
	begin_record(&w, 0);
	looks(&rings, RECORDS - 1, 11 * RECORDS + 12, 0,
	      "the oldest is being overwritten at the first look");
	end_record(&w, 0);
	looks(&rings, 1, 12 * RECORDS + 11, 0, "and is there");
	w.header->ended = 1;
	tap_ok(rings_ended(&rings), "it has ended");
	rings_unmap(&rings);
	writer_close(&w);
}

static void test_a_ring_that_comes_later(void)
{
	struct rings rings;
	struct writer w;

	writer_open(&w, sizeof(struct kproxy_log_record));
	rings_map(&rings, w.fd);
	looks(&rings, 0, 0, 0, "before");
	write_records(&w, 2, RECORDS + 7);
	looks(&rings, 0, 0, 0, "a ring that is not ready is not read");
	w.header->ready[0] |= 1 << 2;
	looks(&rings, RECORDS, 8, 7, "and what it had lost is counted");
	rings_unmap(&rings);
	writer_close(&w);
}

/* Records of a module that is older or newer than the command. */
static void test_other_sizes(void)
{
	size_t size = sizeof(struct kproxy_log_record);
	struct kproxy_log_record *records;
	struct rings rings;
	struct writer w;
	uint64_t lost;

	writer_open(&w, size + 24);
	rings_map(&rings, w.fd);
	write_records(&w, 0, 5);
	looks(&rings, 5, 1, 0, "longer records");
	rings_unmap(&rings);
	writer_close(&w);

	writer_open(&w, offsetof(struct kproxy_log_record, stall_client_us));
	rings_map(&rings, w.fd);
	write_records(&w, 0, 2);
	tap_ok(rings_read(&rings, &records, &lost) == 2 &&
	       records[1].id == 2 && !records[1].stall_server_us,
	       "shorter records: what they lack is 0");
	free(records);
	rings_unmap(&rings);
	writer_close(&w);
}

static void test_what_is_no_log(void)
{
	struct rings rings;
	struct writer w;
	unsigned int i;

	for (i = 0; i < 7; i++) {
		writer_open(&w, sizeof(struct kproxy_log_record));
		w.header->magic ^= i == 0;
		w.header->rings = i == 1 ? RINGS + 1 : i == 2 ? 0 : RINGS;
		w.header->record_size += i == 3 ? 4 : 0;
		w.header->ring_records = i == 4 ? 0 : RECORDS;
		w.header->ring_size = i == 5 ? 64 : RING_SIZE;
		w.header->header_size = i == 6 ? UINT32_MAX : PAGE;
		tap_ok(rings_map(&rings, w.fd) && !rings.header,
		       "a header that cannot be");
		writer_close(&w);
	}
	tap_ok(rings_map(&rings, -1) && !rings.header, "no descriptor");
}

/* The reader has come to a page: the writer has its turn. */
static struct {
	struct writer *w;
	void *page;
	int records;
} turn;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_addr < turn.page ||
	    (char *)info->si_addr >= (char *)turn.page + PAGE) {
		signal(number, SIG_DFL);
		return;
	}
	mprotect(turn.page, PAGE, PROT_READ);
	write_records(turn.w, 0, turn.records);
}

/* @n records are written when a reader comes to the @page-th of its ring. */
static void write_midway(struct writer *w, struct rings *rings, int page, int n)
{
	turn.w = w;
	turn.page = (char *)rings->header + (1 + page) * PAGE;
	turn.records = n;
	mprotect(turn.page, PAGE, PROT_NONE);
}

static void test_the_writer_comes_past(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO };
	struct rings rings;
	struct writer w;

	sigaction(SIGSEGV, &action, NULL);
	/* Records of a later version, eight in a page. */
	writer_open(&w, PAGE / 8);
	rings_map(&rings, w.fd);
	looks(&rings, 0, 0, 0, "before");
	write_records(&w, 0, 10);
	looks(&rings, 10, 1, 0, "ten");
	/* Page 2 begins with record 17: there twenty more come, 21 to 40. */
	write_records(&w, 0, 10);
	write_midway(&w, &rings, 2, 20);
	looks(&rings, 30, 11, 0, "those that come meanwhile are not lost");
	looks(&rings, 0, 0, 0, "nor are they there again");
	/* 41 to 104 fill the ring; at 49 the writer overwrites 41 to 60. */
	write_records(&w, 0, RECORDS);
	write_midway(&w, &rings, 6, 20);
	looks(&rings, RECORDS, 41, 12, "what was read before is not lost");
	looks(&rings, 8, 117, 0, "and the rest comes with the next look");
	/* 125 to 154 are there; at 129 all is overwritten by 155 to 254. */
	write_records(&w, 0, 30);
	write_midway(&w, &rings, 0, 100);
	looks(&rings, RECORDS, 125, 62, "all that was overwritten is lost");
	looks(&rings, 4, 251, 0, "and nothing else");
	rings_unmap(&rings);
	writer_close(&w);
	signal(SIGSEGV, SIG_DFL);
}

static struct writer busy;

static void *write_all_the_time(void *arg)
{
	int i;

	for (i = 0; i < 200000; i++) {
		write_records(&busy, 0, 1);
		if (i % 50 == 0)
			usleep(1);
	}
	busy.header->ended = 1;
	return arg;
}

static void test_a_busy_writer(void)
{
	uint64_t seen = 0, lost = 0, missed, next = 1;
	struct kproxy_log_record *records;
	bool ended, right = true;
	struct rings rings;
	pthread_t thread;
	size_t n, i;

	writer_open(&busy, sizeof(struct kproxy_log_record));
	rings_map(&rings, busy.fd);
	rings_read(&rings, &records, &missed);
	free(records);
	pthread_create(&thread, NULL, write_all_the_time, NULL);
	do {
		ended = rings_ended(&rings);
		n = rings_read(&rings, &records, &missed);
		for (i = 0; i < n; i++) {
			right = right && records[i].number >= next &&
				records[i].id == records[i].number &&
				records[i].stall_server_us == records[i].number;
			next = records[i].number + 1;
		}
		seen += n;
		lost += missed;
		free(records);
	} while (!ended || n);
	pthread_join(thread, NULL);
	tap_ok(right, "each record once, in order, whole");
	tap_ok(seen + lost == 200000, "all are read or counted as lost");
	printf("# %llu read, %llu lost\n", (unsigned long long)seen,
	       (unsigned long long)lost);
	rings_unmap(&rings);
	writer_close(&busy);
}

int main(void)
{
	test_a_look_after_another();
	test_a_ring_that_comes_later();
	test_other_sizes();
	test_what_is_no_log();
	test_the_writer_comes_past();
	test_a_busy_writer();
	return tap_done();
}
