// SPDX-License-Identifier: GPL-2.0
/* Module parameters: bounded numbers. */
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "param.h"

static int param_set(const char *text, const struct kernel_param *kp)
{
	const struct kproxy_param *param = kp->arg;
	unsigned int value;

	if (!kstrtouint(text, 0, &value) && value >= param->min &&
	    value <= param->max) {
		*param->value = value;
		return 0;
	}
	pr_err("kproxy: parameter %s: \"%s\" is not a number from %u to %u\n",
	       kp->name, text, param->min, param->max);
	return -EINVAL;
}

static int param_get(char *buffer, const struct kernel_param *kp)
{
	const struct kproxy_param *param = kp->arg;

	return sysfs_emit(buffer, "%u\n", *param->value);
}

const struct kernel_param_ops kproxy_param_ops = {
	.set = param_set,
	.get = param_get,
};
