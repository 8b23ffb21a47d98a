/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's kernel, as the plugin share.c reads it from its memory. */
#ifndef BENCH_SHARE_KERNEL_H
#define BENCH_SHARE_KERNEL_H

#include <stdio.h>

#include "share-table.h"

#define MAX_CPUS 16
#define PAGE_SHIFT 12
#define PAGE_SIZE 4096u
#define MEMORY (8ull << 30)	/* addresses of the guest, with its holes */
#define KERNEL_IMAGE 0xffffffff80000000ull
#define FIXMAP 0xffffffffff000000ull

enum watched {
	NOTHING,
	KMALLOC,	/* returns an object */
	PAGES,		/* returns a struct page */
	PERCPU,		/* returns the address of a per-CPU variable */
	VMALLOC,
};

struct function {
	uint64_t address;
	enum watched what;
	bool wrapper;
};

struct kernel {
	struct function *functions;
	size_t nr;
	uint64_t page_offset, vmemmap, per_cpu_size, per_cpu[MAX_CPUS];
};

extern struct kernel kernel;
extern unsigned int nr_cpus;

enum class {
	SLAB, OBJECT, SYMBOL, STATIC_PERCPU, DYNAMIC_PERCPU, AREA, PAGE,
	STRUCT_PAGE, USER, OTHER,
};

struct place {
	enum class class;
	uint64_t id;		/* the cache, or the caller */
	uint64_t cache;		/* of an OBJECT */
	uint64_t offset;
};

/* To be called when a processor begins: finds the registers. */
void kernel_cpu_began(uint64_t id, unsigned int cpu);

/* A file of the folder that the guest shares, or the end of QEMU. */
FILE *open_file(const char *name, const char *mode);
extern const char *dir;

/* The argument of a mark. */
void read_mark(char *to, size_t size);

/* Where the running processor has its per-CPU memory; PC is where it is. */
uint64_t per_cpu_base(uint64_t pc);

void read_layout(void);

/* Modules come and go: read again what is there now. */
void read_symbols(void);

/* The function of a program counter; NULL in a program. */
const struct function *find_function(uint64_t pc);

/* A callback before the return from an allocator; ARG is enum watched. */
void allocator_returns(unsigned int cpu, void *arg);

/* What an address belongs to, now. */
struct place classify(uint64_t address);

/* Caches may have gone. */
void forget_caches(void);

void print_place(FILE *file, const struct place *place);

#endif /* BENCH_SHARE_KERNEL_H */
