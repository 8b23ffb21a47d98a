/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PARAM_H
#define _KPROXY_PARAM_H

#include <linux/moduleparam.h>

/* A number that is set at load time, and its bounds. */
struct kproxy_param {
	unsigned int *value;
	unsigned int min;
	unsigned int max;
};

extern const struct kernel_param_ops kproxy_param_ops;

/*
 * Make the static variable @name a module parameter. A value out of bounds
 * fails the load, with a message in the kernel log.
 */
#define KPROXY_PARAM(name, least, most)					\
	static const struct kproxy_param kproxy_param_##name = {	\
		.value = &(name),					\
		.min = (least),						\
		.max = (most),						\
	};								\
	module_param_cb(name, &kproxy_param_ops,			\
			(void *)&kproxy_param_##name, 0444);		\
	__MODULE_PARM_TYPE(name, "uint")

#endif /* _KPROXY_PARAM_H */
