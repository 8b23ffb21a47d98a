/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's plugin interface that share.c uses beyond insns.h, and the
 * part of GLib that this interface needs. QEMU itself brings GLib along.
 */
#ifndef BENCH_SHARE_H
#define BENCH_SHARE_H

#include <stdbool.h>

#include "insns.h"

/* A value of enum qemu_plugin_cb_flags: the callback reads registers. */
#define QEMU_PLUGIN_CB_R_REGS 1

enum qemu_plugin_mem_rw {
	QEMU_PLUGIN_MEM_RW = 3,
};

struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_register;

/* GArray and GByteArray. */
struct array {
	void *data;
	unsigned int len;
};

/* qemu_plugin_reg_descriptor: an element of qemu_plugin_get_registers(). */
struct qemu_plugin_reg {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
};

struct array *g_byte_array_new(void);
struct array *g_byte_array_set_size(struct array *array, unsigned int length);
char *g_array_free(struct array *array, int free_segment);

void qemu_plugin_reset(uint64_t id, void (*cb)(uint64_t id));
void qemu_plugin_register_vcpu_init_cb(uint64_t id,
				       void (*cb)(uint64_t id,
						  unsigned int cpu));
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t idx);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest,
			     size_t len);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int cpu,
						       void *arg),
					    enum qemu_plugin_cb_flags flags,
					    void *arg);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned int cpu,
						 uint32_t info,
						 uint64_t vaddr, void *arg),
				      enum qemu_plugin_cb_flags flags,
				      enum qemu_plugin_mem_rw rw, void *arg);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
bool qemu_plugin_mem_is_store(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info,
						  uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hwaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hwaddr);
struct array *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle,
			      struct array *buf);
bool qemu_plugin_read_memory_vaddr(uint64_t addr, struct array *data, size_t len);

#endif /* BENCH_SHARE_H */
