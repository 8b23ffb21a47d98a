// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's that counts how often each block of the guest's code runs.
 * The guest pays nothing for it: its clock counts its own instructions.
 *
 * When the guest has put a name into the file "mark" of the folder DIR, what was
 * counted since the last mark goes to DIR/NAME.insns, a line for each block that
 * has run: its address, its length in instructions, how often it ran. Then the
 * file is removed, for which the guest waits, and the counts restart at 0.
 *
 * usage: qemu -plugin insns.so,dir=DIR
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "insns.h"

/* A block as it was translated once; kept for ever. */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t runs;
	unsigned int insns;
};

static struct block *blocks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *dir;

PLUGIN_API int qemu_plugin_version = 2;

/* One emulated processor: nobody else counts. */
static void count(unsigned int cpu, void *arg)
{
	struct block *block = arg;

	(void)cpu;
	block->runs++;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));

	(void)id;
	if (!block)
		return;
	block->address = qemu_plugin_tb_vaddr(tb);
	block->insns = qemu_plugin_tb_n_insns(tb);
	pthread_mutex_lock(&lock);
	block->next = blocks;
	blocks = block;
	pthread_mutex_unlock(&lock);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, count, QEMU_PLUGIN_CB_NO_REGS,
					     block);
}

static void dump(const char *name)
{
	struct block *block;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.insns", dir, name);
	file = fopen(path, "w");
	if (!file)
		return;
	pthread_mutex_lock(&lock);
	for (block = blocks; block; block = block->next) {
		if (!block->runs)
			continue;
		fprintf(file, "%" PRIx64 " %u %" PRIu64 "\n", block->address,
			block->insns, block->runs);
		block->runs = 0;
	}
	pthread_mutex_unlock(&lock);
	fclose(file);
}

static void *watch(void *arg)
{
	char mark[4096], name[256];
	FILE *file;

	(void)arg;
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	for (;;) {
		usleep(5000);
		file = fopen(mark, "r");
		if (!file)
			continue;
		/* It may have been made and not be written yet. */
		if (fscanf(file, "%255s", name) == 1) {
			dump(name);
			unlink(mark);
		}
		fclose(file);
	}
	return NULL;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	pthread_t thread;

	(void)info;
	if (argc < 1 || strncmp(argv[0], "dir=", 4))
		return -1;
	dir = strdup(argv[0] + 4);
	if (!dir || pthread_create(&thread, NULL, watch, NULL))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
