// SPDX-License-Identifier: GPL-2.0
/*
 * What a socket may do to the pump at any time and does too seldom for a test.
 * Compiled only into kernels with fault injection, whose tests set it in
 * debugfs, in fail_kproxy_send and fail_kproxy_insert.
 */
#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/random.h>

#include "fault.h"

static DECLARE_FAULT_ATTR(fail_kproxy_send);
static DECLARE_FAULT_ATTR(fail_kproxy_insert);
static struct dentry *fault_dir, *insert_dir;

/**
 * kproxy_fault_init() - show the attributes in debugfs
 *
 * Without them nothing fails, so that it does not matter if this does.
 *
 * Context: process, may sleep.
 */
void kproxy_fault_init(void)
{
	fault_dir = fault_create_debugfs_attr("fail_kproxy_send", NULL,
					      &fail_kproxy_send);
	insert_dir = fault_create_debugfs_attr("fail_kproxy_insert", NULL,
					       &fail_kproxy_insert);
}

/**
 * kproxy_fault_exit() - remove them
 *
 * Context: process, may sleep.
 */
void kproxy_fault_exit(void)
{
	debugfs_remove(insert_dir);
	debugfs_remove(fault_dir);
}

/**
 * kproxy_fault_send() - how much of a batch a socket is to be offered
 * @len: bytes of the batch, not 0
 *
 * Context: any.
 * Return: @len; when it is to fail, as often 0, which stands for -EAGAIN, as
 * any number below @len.
 */
size_t kproxy_fault_send(size_t len)
{
	if (likely(!should_fail(&fail_kproxy_send, len)))
		return len;
	return get_random_u32_below(2) ? get_random_u32_below(len) : 0;
}

/**
 * kproxy_fault_insert() - whether a session finds no place in the table
 *
 * Context: any.
 * Return: 0, or -EBUSY as rhashtable has it when it grows already.
 */
int kproxy_fault_insert(void)
{
	return should_fail(&fail_kproxy_insert, 1) ? -EBUSY : 0;
}
