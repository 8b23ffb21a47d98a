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

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define MAX_CPUS 16
#define LINE_SHIFT 6
#define LINE_SIZE 64u
#define PAGE_SHIFT 12
#define PAGE_SIZE 4096u
#define MEMORY (8ull << 30)	/* addresses of the guest, with its holes */
#define KERNEL_IMAGE 0xffffffff80000000ull
#define FIXMAP 0xffffffffff000000ull

PLUGIN_API int qemu_plugin_version = 2;

static const char *dir;
static uint64_t plugin_id;

static void fail(const char *what, const char *name)
{
	fprintf(stderr, "share.so: %s: %s\n", what, name);
	exit(1);
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		fail("no memory", "calloc");
	return p;
}

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

/* The value of this key, 0 at first; NULL if it is not there and not to be made. */
static uint64_t *table_find(struct table *table, const uint64_t *key, bool make)
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

static void table_set(struct table *table, uint64_t number, uint64_t value)
{
	uint64_t key[KEYS] = { number };

	*table_find(table, key, true) = value;
}

static uint64_t table_get(struct table *table, uint64_t number)
{
	uint64_t key[KEYS] = { number };
	uint64_t *value = table_find(table, key, false);

	return value ? *value : 0;
}

static void table_clear(struct table *table)
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

/* The guest's registers and memory */

static struct qemu_plugin_register *rax, *rdi, *rsp, *gs_base, *kernel_gs_base;
static struct array *bytes;
static unsigned int nr_cpus;

static uint64_t read_register(struct qemu_plugin_register *reg)
{
	uint64_t value = 0;

	g_byte_array_set_size(bytes, 0);
	if (qemu_plugin_read_register(reg, bytes) >= (int)sizeof(value))
		memcpy(&value, bytes->data, sizeof(value));
	return value;
}

static bool read_memory(uint64_t address, void *to, size_t size)
{
	g_byte_array_set_size(bytes, 0);
	if (!qemu_plugin_read_memory_vaddr(address, bytes, size) ||
	    bytes->len < size)
		return false;
	memcpy(to, bytes->data, size);
	return true;
}

static uint64_t read_word(uint64_t address)
{
	uint64_t value = 0;

	return read_memory(address, &value, sizeof(value)) ? value : 0;
}

/* Up to the zero or the end of the page. */
static void read_string(uint64_t address, char *to, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1; i++) {
		if (!read_memory(address + i, to + i, 1) || !to[i])
			break;
	}
	to[i] = '\0';
}

/* Their handles are the same for all processors. */
static void cpu_began(uint64_t id, unsigned int cpu)
{
	struct {
		const char *name;
		struct qemu_plugin_register **handle;
	} wanted[] = {
		{ "rax", &rax },
		{ "rdi", &rdi },
		{ "rsp", &rsp },
		{ "gs_base", &gs_base },
		{ "k_gs_base", &kernel_gs_base },
	};
	struct array *list = qemu_plugin_get_registers();
	struct qemu_plugin_reg *reg = list->data;
	unsigned int i, j;

	(void)id;
	if (cpu >= MAX_CPUS)
		fail("too many processors", "share.c knows 16");
	for (i = 0; i < list->len; i++, reg++) {
		for (j = 0; j < ARRAY_SIZE(wanted); j++) {
			if (!strcmp(reg->name, wanted[j].name))
				*wanted[j].handle = reg->handle;
		}
	}
	g_array_free(list, 1);
	for (j = 0; j < ARRAY_SIZE(wanted); j++) {
		if (!*wanted[j].handle)
			fail("no such register", wanted[j].name);
	}
	nr_cpus = cpu + 1 > nr_cpus ? cpu + 1 : nr_cpus;
}

/* The kernel's symbols and structures */

enum watched {
	NOTHING,
	KMALLOC,	/* returns an object */
	PAGES,		/* returns a struct page */
	PERCPU,		/* returns the address of a per-CPU variable */
	VMALLOC,
};

static const struct {
	const char *name;
	enum watched what;
} allocators[] = {
	{ "__kmalloc_noprof", KMALLOC },
	{ "__kmalloc_node_noprof", KMALLOC },
	{ "__kmalloc_cache_noprof", KMALLOC },
	{ "__kmalloc_cache_node_noprof", KMALLOC },
	{ "__kmalloc_node_track_caller_noprof", KMALLOC },
	{ "__alloc_pages_noprof", PAGES },
	{ "__alloc_frozen_pages_noprof", PAGES },
	{ "pcpu_alloc_noprof", PERCPU },
	{ "__vmalloc_node_range_noprof", VMALLOC },
};

/* Functions that allocate for another one, which is the one to name. */
static const char *const wrappers[] = {
	"__alloc_", "__folio_alloc", "__get_free_page", "__kmalloc", "__kvmalloc",
	"__napi_alloc", "__netdev_alloc", "__page_frag", "__vmalloc", "alloc_fresh",
	"alloc_pages", "alloc_skb_with_frags", "folio_alloc", "folio_prealloc",
	"get_free_page", "get_zeroed_page", "kmalloc", "kmem_cache_", "kmemdup",
	"krealloc", "kvmalloc", "kvmemdup", "kvrealloc", "page_frag", "pcpu_",
	"skb_page_frag_refill", "sk_page_frag_refill", "vma_alloc_", "vmalloc",
	"vzalloc",
};

struct function {
	uint64_t address;
	enum watched what;
	bool wrapper;
};

static struct {
	struct function *functions;
	size_t nr;
	uint64_t page_offset, vmemmap, per_cpu_size, per_cpu[MAX_CPUS];
} kernel;

static struct {
	uint64_t page_type, slab_type, slab_cache, cache_size, cache_name,
		 page_size, page_head;
} layout;

static bool prefixed(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrappers); i++) {
		if (!strncmp(name, wrappers[i], strlen(wrappers[i])))
			return true;
	}
	return false;
}

static void add_function(uint64_t address, const char *name)
{
	struct function *function;
	size_t i;

	if (!(kernel.nr & (kernel.nr - 1))) {
		kernel.functions = realloc(kernel.functions,
					   2 * (kernel.nr + 1) * sizeof(*function));
		if (!kernel.functions)
			fail("no memory", "functions");
	}
	function = &kernel.functions[kernel.nr++];
	*function = (struct function){
		.address = address,
		.wrapper = prefixed(name),
	};
	for (i = 0; i < ARRAY_SIZE(allocators); i++) {
		if (!strcmp(name, allocators[i].name))
			function->what = allocators[i].what;
	}
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	/* Of two names, the one that says more is last and found. */
	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	return x->wrapper - y->wrapper;
}

static const struct function *find_function(uint64_t pc)
{
	size_t low = 0, high = kernel.nr, middle;

	if (pc < KERNEL_IMAGE)
		return NULL;
	while (low < high) {
		middle = (low + high) / 2;
		if (kernel.functions[middle].address <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &kernel.functions[low - 1] : NULL;
}

static FILE *open_file(const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, mode);
	if (!file)
		fail("cannot open", path);
	return file;
}

static void read_layout(void)
{
	struct {
		const char *name;
		uint64_t *value;
	} fields[] = {
		{ "page_type", &layout.page_type },
		{ "slab_type", &layout.slab_type },
		{ "slab_cache", &layout.slab_cache },
		{ "cache_size", &layout.cache_size },
		{ "cache_name", &layout.cache_name },
		{ "page_size", &layout.page_size },
		{ "page_head", &layout.page_head },
	};
	FILE *file = open_file("layout", "r");
	unsigned int found = 0;
	char name[64];
	uint64_t value;
	size_t i;

	while (fscanf(file, "%63s %" SCNu64, name, &value) == 2) {
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			if (!strcmp(name, fields[i].name)) {
				*fields[i].value = value;
				found++;
			}
		}
	}
	fclose(file);
	if (found != ARRAY_SIZE(fields))
		fail("incomplete", "layout");
}

/* Modules come and go: read again what is there now. */
static void read_symbols(void)
{
	uint64_t page_offset = 0, vmemmap = 0, per_cpu = 0, address;
	FILE *file = open_file("symbols", "r");
	char line[512], type, name[256];
	unsigned int cpu;

	free(kernel.functions);
	memset(&kernel, 0, sizeof(kernel));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 " %c %255s", &address, &type,
			   name) != 3)
			continue;
		if (strchr("tTwW", type))
			add_function(address, name);
		else if (!strcmp(name, "page_offset_base"))
			page_offset = address;
		else if (!strcmp(name, "vmemmap_base"))
			vmemmap = address;
		else if (!strcmp(name, "__per_cpu_offset"))
			per_cpu = address;
		else if (!strcmp(name, "__per_cpu_end"))
			kernel.per_cpu_size = address;
	}
	fclose(file);
	if (!kernel.nr || !page_offset || !vmemmap || !per_cpu ||
	    !kernel.per_cpu_size)
		fail("incomplete", "symbols");
	qsort(kernel.functions, kernel.nr, sizeof(*kernel.functions),
	      compare_functions);
	kernel.page_offset = read_word(page_offset);
	kernel.vmemmap = read_word(vmemmap);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		kernel.per_cpu[cpu] = read_word(per_cpu + 8 * cpu);
	if (!kernel.page_offset || !kernel.vmemmap)
		fail("not as expected", "page_offset_base, vmemmap_base");
}

/* Who allocated what: the address of the object or page, and of the call. */

static struct table objects, pages;

/* Few, but asked for by an address within: sorted. */
struct areas {
	struct area {
		uint64_t address, caller;
	} *list;
	size_t nr;
};

static struct areas dynamic, virtual;

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

static const struct area *areas_find(const struct areas *areas, uint64_t address,
				     uint64_t reach)
{
	size_t i = areas_position(areas, address);
	const struct area *area = i ? &areas->list[i - 1] : NULL;

	return area && address - area->address < reach ? area : NULL;
}

static void areas_set(struct areas *areas, uint64_t address, uint64_t caller)
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

/*
 * An address on the stack need not be one to return to, but the first word is,
 * and what wrappers have on their stack is little.
 */
static uint64_t find_caller(uint64_t stack)
{
	const struct function *function;
	uint64_t words[64];
	size_t i;

	if (!read_memory(stack, words, sizeof(words)))
		return read_word(stack);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		function = find_function(words[i]);
		if (function && function->address != words[i] &&
		    !function->wrapper && words[i] < FIXMAP)
			return words[i];
	}
	return words[0];
}

static void returned(unsigned int cpu, void *arg)
{
	uint64_t result = read_register(rax), caller;

	(void)cpu;
	if (result < 4096)
		return;
	caller = find_caller(read_register(rsp));
	switch ((enum watched)(uintptr_t)arg) {
	case KMALLOC:
		table_set(&objects, result, caller);
		break;
	case PAGES:
		table_set(&pages, (result - kernel.vmemmap) / layout.page_size,
			  caller);
		break;
	case PERCPU:
		areas_set(&dynamic, result, caller);
		break;
	case VMALLOC:
		areas_set(&virtual, result, caller);
		break;
	case NOTHING:
		break;
	}
}

/* What an address belongs to */

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

static struct table cache_sizes;

static uint64_t cache_size(uint64_t cache)
{
	uint64_t size = table_get(&cache_sizes, cache);
	uint32_t value = 0;

	if (size)
		return size;
	read_memory(cache + layout.cache_size, &value, sizeof(value));
	table_set(&cache_sizes, cache, value);
	return value;
}

static bool in_slab(uint64_t address, struct place *place)
{
	uint64_t frame = (address - kernel.page_offset) >> PAGE_SHIFT;
	uint64_t page = kernel.vmemmap + frame * layout.page_size;
	uint64_t head = read_word(page + layout.page_head), cache, size, object;
	uint32_t type = 0;

	if (head & 1) {
		page = head - 1;
		frame = (page - kernel.vmemmap) / layout.page_size;
	}
	read_memory(page + layout.page_type, &type, sizeof(type));
	if (type >> 24 != layout.slab_type)
		return false;
	cache = read_word(page + layout.slab_cache);
	size = cache_size(cache);
	if (!size)
		return false;
	place->offset = (address - kernel.page_offset - (frame << PAGE_SHIFT)) %
			size;
	object = address - place->offset;
	place->cache = cache;
	place->id = table_get(&objects, object);
	place->class = place->id ? OBJECT : SLAB;
	return true;
}

static bool in_percpu(uint64_t address, struct place *place)
{
	const struct area *area;
	uint64_t offset;
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		offset = address - kernel.per_cpu[cpu];
		if (offset < kernel.per_cpu_size) {
			*place = (struct place){ .class = STATIC_PERCPU,
						 .offset = offset };
			return true;
		}
	}
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		offset = address - kernel.per_cpu[cpu];
		area = areas_find(&dynamic, offset, 32 << 10);
		if (area) {
			*place = (struct place){ .class = DYNAMIC_PERCPU,
						 .id = area->caller,
						 .offset = offset - area->address };
			return true;
		}
	}
	return false;
}

/* A page of several has the caller of the first. */
static uint64_t page_caller(uint64_t frame)
{
	uint64_t caller;
	int order;

	for (order = 0; order <= 9; order++) {
		caller = table_get(&pages, frame & ~((1ull << order) - 1));
		if (caller)
			return caller;
	}
	return 0;
}

static struct place classify(uint64_t address)
{
	struct place place = { .class = OTHER, .offset = address };
	const struct area *area;

	if (address < 1ull << 63)
		return (struct place){ .class = USER };
	if (address >= KERNEL_IMAGE) {
		place.class = SYMBOL;
		return place;
	}
	if (address - kernel.vmemmap < (MEMORY >> PAGE_SHIFT) * layout.page_size)
		return (struct place){ .class = STRUCT_PAGE, .offset =
			(address - kernel.vmemmap) % layout.page_size };
	if (address - kernel.page_offset < MEMORY) {
		if (in_slab(address, &place) || in_percpu(address, &place))
			return place;
		address -= kernel.page_offset;
		return (struct place){ .class = PAGE, .id =
			page_caller(address >> PAGE_SHIFT) };
	}
	if (in_percpu(address, &place))
		return place;
	area = areas_find(&virtual, address, 64 << 10);
	if (area)
		return (struct place){ .class = AREA, .id = area->caller,
				       .offset = address - area->address };
	return place;
}

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
	uint64_t base = 0;

	(void)cpu;
	if ((uintptr_t)arg >> 63)
		base = read_register(gs_base);
	if (!(base >> 63))
		base = read_register(kernel_gs_base);
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

/* Output */

static void print_place(FILE *file, const struct place *place)
{
	uint64_t id = place->id, offset = place->offset;
	char name[64] = "";

	if (place->cache)
		read_string(read_word(place->cache + layout.cache_name), name,
			    sizeof(name));
	switch (place->class) {
	case SLAB:
		fprintf(file, "slab %s %" PRIu64 "\n", name, offset);
		break;
	case OBJECT:
		fprintf(file, "kmalloc %" PRIx64 " %s %" PRIu64 "\n", id, name,
			offset);
		break;
	case SYMBOL:
		fprintf(file, "symbol %" PRIx64 "\n", offset);
		break;
	case STATIC_PERCPU:
		fprintf(file, "percpu %" PRIu64 "\n", offset);
		break;
	case DYNAMIC_PERCPU:
		fprintf(file, "dynamic %" PRIx64 " %" PRIu64 "\n", id, offset);
		break;
	case AREA:
		fprintf(file, "vmalloc %" PRIx64 " %" PRIu64 "\n", id, offset);
		break;
	case PAGE:
		fprintf(file, "page %" PRIx64 "\n", id);
		break;
	case STRUCT_PAGE:
		fprintf(file, "struct-page %" PRIu64 "\n", offset);
		break;
	case USER:
		fprintf(file, "user\n");
		break;
	case OTHER:
		fprintf(file, "other %" PRIx64 "\n", offset);
		break;
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
	if (watches)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, entered,
			QEMU_PLUGIN_CB_R_REGS,
			(void *)(uintptr_t)qemu_plugin_tb_vaddr(tb));
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
			call_before(insn, returned, function->what);
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
	table_clear(&cache_sizes);
	table_clear(&counters);
}

static void marked(unsigned int cpu, void *arg)
{
	char text[256];

	(void)cpu;
	(void)arg;
	read_string(read_register(rdi), text, sizeof(text));
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
	bytes = g_byte_array_new();
	plugin_id = id;
	read_layout();
	qemu_plugin_register_vcpu_init_cb(id, cpu_began);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
