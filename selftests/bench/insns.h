/* SPDX-License-Identifier: GPL-2.0 */
/* What of QEMU's interface for plugins is used here. No package has its header. */
#ifndef BENCH_INSNS_H
#define BENCH_INSNS_H

#include <stddef.h>
#include <stdint.h>

#define PLUGIN_API __attribute__((visibility("default")))

enum qemu_plugin_cb_flags {
	QEMU_PLUGIN_CB_NO_REGS,
};

struct qemu_plugin_tb;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*cb)(uint64_t id,
						      struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int cpu, void *arg),
					  enum qemu_plugin_cb_flags flags,
					  void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

extern PLUGIN_API int qemu_plugin_version;
PLUGIN_API int qemu_plugin_install(uint64_t id, const void *info, int argc,
				   char **argv);

#endif /* BENCH_INSNS_H */
