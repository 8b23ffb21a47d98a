// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts how often a cache line would move between the
 * processors of a real machine, as a coherence protocol would move it.
 *
 * For each line of 64 bytes it keeps the processors that hold a copy and the last
 * writer. A read by a processor without a copy of a line that another processor
 * wrote is a transfer; so is a write to a line that another processor holds. One
 * instruction that reads and writes a line moves it once. Caches are infinitely
 * large, so that every transfer is communication. The emulated processors take
 * turns in one thread (-accel tcg,thread=single): nothing here needs a lock.
 *
 * The guest directs the plugin with a long nop (MARK) whose RDI points to a
 * string, see share-mark.h:
 *
 *	symbols		DIR/symbols is a copy of /proc/kallsyms: read it, and watch
 *			the kernel's allocators from now on
 *	begin		watch every access to memory from now on
 *	count		set the counters to zero
 *	end NAME	write the counters to DIR/NAME.share, and watch the allocators
 *			only
 *
 * Each line of the output is "COUNT r|w PC CLASS", a class being one of
 *
 *	slab CACHE OFFSET		an object of a named cache
 *	kmalloc CALLER CACHE OFFSET	CALLER is the address of its allocation, or 0
 *	symbol ADDRESS			static data of the kernel or a module
 *	percpu OFFSET			a static variable of each processor
 *	dynamic CALLER OFFSET		alloc_percpu()
 *	vmalloc CALLER OFFSET
 *	page CALLER
 *	struct-page OFFSET
 *	user
 *	other ADDRESS
 *
 * DIR/layout has the offsets of the kernel's structures that are read here
 * ("share.py layout").
 *
 * usage: qemu -plugin share.so,dir=DIR
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "share.h"
#include "share-kernel.h"

#define LINE_SHIFT 6
#define LINE_SIZE 64u

PLUGIN_API int qemu_plugin_version = 2;

static uint64_t plugin_id;

/* The directory: for each line a word, the holders' bits and the last writer. */

#define HOLDERS ((1u << MAX_CPUS) - 1)
#define WRITER_SHIFT MAX_CPUS

static uint32_t *lines;
static struct table counters;
static struct {
	uint64_t line;
	void *insn;
	uint64_t *counter;
} last_read[MAX_CPUS];

/*
 * Without a thread for each processor, QEMU passes to callbacks the number of the
 * one for which the code was translated. The one that runs it is known by its
 * per-CPU memory, which one of two registers points to. In a block of code it
 * stays the same.
 */
static unsigned int this_cpu;

static void entered(unsigned int cpu, void *arg)
{
	uint64_t base = per_cpu_base((uintptr_t)arg);

	(void)cpu;
	for (cpu = this_cpu; kernel.per_cpu[cpu] != base;) {
		cpu = (cpu + 1) % nr_cpus;
		if (cpu == this_cpu)
			fail("unknown per-CPU memory", "GS base");
	}
	this_cpu = cpu;
}

static uint64_t *counter(uint64_t pc, const struct place *place, bool write)
{
	const uint64_t key[KEYS] = {
		pc, place->class << 1 | write, place->id, place->cache,
		place->offset,
	};

	return table_find(&counters, key, true);
}

static void read_line(uint64_t line, uint64_t vaddr, void *insn)
{
	uint32_t state = lines[line], writer = state >> WRITER_SHIFT;
	unsigned int cpu = this_cpu;
	struct place place;

	if (state & 1u << cpu)
		return;
	lines[line] = state | 1u << cpu;
	if (!writer)
		return;
	place = classify(vaddr);
	last_read[cpu].line = line;
	last_read[cpu].insn = insn;
	last_read[cpu].counter = counter((uintptr_t)insn, &place, false);
	++*last_read[cpu].counter;
}

static void write_line(uint64_t line, uint64_t vaddr, void *insn)
{
	uint32_t state = lines[line];
	unsigned int cpu = this_cpu;
	struct place place;

	lines[line] = 1u << cpu | (cpu + 1) << WRITER_SHIFT;
	if (!(state & HOLDERS & ~(1u << cpu)))
		return;
	if (last_read[cpu].line == line && last_read[cpu].insn == insn)
		--*last_read[cpu].counter;
	last_read[cpu].insn = NULL;
	place = classify(vaddr);
	++*counter((uintptr_t)insn, &place, true);
}

/* False where there is no memory, but a device. */
static bool physical(uint32_t info, uint64_t vaddr, uint64_t *address)
{
	struct qemu_plugin_hwaddr *hwaddr;

	*address = vaddr - kernel.page_offset;
	if (*address < MEMORY)
		return true;
	hwaddr = qemu_plugin_get_hwaddr(info, vaddr);
	if (!hwaddr || qemu_plugin_hwaddr_is_io(hwaddr))
		return false;
	*address = qemu_plugin_hwaddr_phys_addr(hwaddr);
	return *address < MEMORY;
}

static void access(unsigned int cpu, uint32_t info, uint64_t vaddr,
		   void *insn)
{
	unsigned int size = 1u << qemu_plugin_mem_size_shift(info), part;
	uint64_t address;

	(void)cpu;
	if (vaddr >= FIXMAP || !physical(info, vaddr, &address))
		return;
	/* The second part of an access to two lines; pages are forgiven. */
	part = LINE_SIZE - address % LINE_SIZE;
	for (;;) {
		if (qemu_plugin_mem_is_store(info))
			write_line(address >> LINE_SHIFT, vaddr, insn);
		else
			read_line(address >> LINE_SHIFT, vaddr, insn);
		if (size <= part || (vaddr + part) % PAGE_SIZE == 0)
			return;
		vaddr += part;
		address += part;
		size -= part;
		part = LINE_SIZE;
	}
}

static void dump(const char *name)
{
	struct entry *entry;
	char path[300];
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "%s.share", name);
	file = open_file(path, "w");
	for (i = 0; i < counters.size; i++) {
		for (entry = counters.buckets[i]; entry; entry = entry->next) {
			struct place place = {
				.class = entry->key[1] >> 1,
				.id = entry->key[2],
				.cache = entry->key[3],
				.offset = entry->key[4],
			};

			if (!entry->value)
				continue;
			fprintf(file, "%" PRIu64 " %c %" PRIx64 " ", entry->value,
				entry->key[1] & 1 ? 'w' : 'r', entry->key[0]);
			print_place(file, &place);
		}
	}
	if (fclose(file))
		fail("cannot write", path);
}

/* Translation */

static const uint8_t mark_insn[] = {
	0x0f, 0x1f, 0x84, 0x00, 0x6b, 0x70, 0x72, 0x78
};

#define RET 0xc3

static bool watches;	/* every access */

static void marked(unsigned int cpu, void *arg);

/* The callback may read registers. */
static void call_before(struct qemu_plugin_insn *insn,
			void (*cb)(unsigned int cpu, void *arg), uintptr_t arg)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, QEMU_PLUGIN_CB_R_REGS,
					       (void *)arg);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), length, i;
	const struct function *function;
	struct qemu_plugin_insn *insn;
	uint8_t code[16];
	uint64_t pc;

	(void)id;
	pc = qemu_plugin_tb_vaddr(tb);
	if (watches)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, entered,
						     QEMU_PLUGIN_CB_R_REGS,
						     (void *)(uintptr_t)pc);
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		pc = qemu_plugin_insn_vaddr(insn);
		length = qemu_plugin_insn_data(insn, code, sizeof(code));
		if (length == sizeof(mark_insn) &&
		    !memcmp(code, mark_insn, length)) {
			call_before(insn, marked, 0);
			continue;
		}
		if (watches)
			qemu_plugin_register_vcpu_mem_cb(insn, access,
							 QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_RW,
							 (void *)(uintptr_t)pc);
		if (code[0] != RET || length != 1)
			continue;
		function = find_function(pc);
		if (function && function->what != NOTHING)
			call_before(insn, allocator_returns, function->what);
	}
}

static void again(uint64_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
}

/* Everything is translated again, for what is to be watched now. */
static void watch(bool everything)
{
	watches = everything;
	qemu_plugin_reset(plugin_id, again);
}

static void forget(void)
{
	if (lines)
		munmap(lines, (MEMORY >> LINE_SHIFT) * sizeof(*lines));
	lines = mmap(NULL, (MEMORY >> LINE_SHIFT) * sizeof(*lines),
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lines == MAP_FAILED)
		fail("no memory", "lines");
	memset(last_read, 0, sizeof(last_read));
	forget_caches();
	table_clear(&counters);
}

static void marked(unsigned int cpu, void *arg)
{
	char text[256];

	(void)cpu;
	(void)arg;
	read_mark(text, sizeof(text));
	if (!strcmp(text, "symbols")) {
		read_symbols();
		watch(false);
	} else if (!strcmp(text, "begin")) {
		if (!kernel.nr)
			fail("not before \"symbols\"", text);
		forget();
		watch(true);
	} else if (!strcmp(text, "count")) {
		memset(last_read, 0, sizeof(last_read));
		table_clear(&counters);
	} else if (!strncmp(text, "end ", 4)) {
		dump(text + 4);
		watch(false);
	} else {
		fail("unknown mark", text);
	}
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc < 1 || strncmp(argv[0], "dir=", 4))
		return -1;
	dir = strdup(argv[0] + 4);
	if (!dir)
		return -1;
	plugin_id = id;
	read_layout();
	qemu_plugin_register_vcpu_init_cb(id, kernel_cpu_began);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
