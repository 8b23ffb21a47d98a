// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"
#include "share-kernel.h"

/* The guest's registers and memory */

static struct qemu_plugin_register *rax, *rdi, *rsp, *gs_base, *kernel_gs_base;
static struct array *bytes;
const char *dir;
unsigned int nr_cpus;

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
void kernel_cpu_began(uint64_t id, unsigned int cpu)
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
	if (!bytes)
		bytes = g_byte_array_new();
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

void read_mark(char *to, size_t size)
{
	read_string(read_register(rdi), to, size);
}

uint64_t per_cpu_base(uint64_t pc)
{
	uint64_t base = 0;

	if (pc >> 63)
		base = read_register(gs_base);
	/* A program runs, or the entry to the kernel has not exchanged the two. */
	if (!(base >> 63))
		base = read_register(kernel_gs_base);
	return base;
}

FILE *open_file(const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, mode);
	if (!file)
		fail("cannot open", path);
	return file;
}

/* The kernel's symbols and structures */

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

struct kernel kernel;

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

const struct function *find_function(uint64_t pc)
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

void read_layout(void)
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

void read_symbols(void)
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

static struct areas dynamic, virtual;

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

void allocator_returns(unsigned int cpu, void *arg)
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

struct place classify(uint64_t address)
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

void forget_caches(void)
{
	table_clear(&cache_sizes);
}

void print_place(FILE *file, const struct place *place)
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
