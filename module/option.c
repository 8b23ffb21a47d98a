// SPDX-License-Identifier: GPL-2.0
/*
 * Options of objects that are numbers. Each is a row of its object's table, by which
 * it is read from requests, written to replies (netlink-option.c), given its default,
 * and published to readers that hold no lock.
 */
#include <linux/compiler.h>

#include "option.h"

/**
 * kproxy_option_get() - the value of an option
 * @option: the option
 * @options: the struct of options that has its field
 *
 * Context: any.
 * Return: the value.
 */
u32 kproxy_option_get(const struct kproxy_option *option, const void *options)
{
	return READ_ONCE(*(const u32 *)(options + option->offset));
}

/**
 * kproxy_option_set() - change an option
 * @option: the option
 * @options: the struct of options that has its field
 * @value: the value, within the limits of the policy
 *
 * Context: any. Readers may run at the same time, other writers may not.
 */
void kproxy_option_set(const struct kproxy_option *option, void *options,
		       u32 value)
{
	WRITE_ONCE(*(u32 *)(options + option->offset), value);
}

/**
 * kproxy_options_init() - set options to their defaults
 * @table: the options
 * @options: the struct that has their fields; others are not touched
 *
 * Context: any.
 */
void kproxy_options_init(const struct kproxy_option *table, void *options)
{
	const struct kproxy_option *option;

	for (option = table; option->attr; option++)
		kproxy_option_set(option, options, option->def);
}

/**
 * kproxy_options_restart() - what must begin again because of a change
 * @table: the options
 * @from: the struct of present options
 * @to: the struct of new options
 *
 * Context: any.
 * Return: the bits of all options that differ.
 */
u32 kproxy_options_restart(const struct kproxy_option *table, const void *from,
			   const void *to)
{
	const struct kproxy_option *option;
	u32 restart = 0;

	for (option = table; option->attr; option++)
		if (kproxy_option_get(option, from) !=
		    kproxy_option_get(option, to))
			restart |= option->restarts;
	return restart;
}

/**
 * kproxy_options_publish() - change the options of an object that is in use
 * @table: the options
 * @live: the object's struct of options; fields that are not in the table are not
 *	touched
 * @options: the new values
 *
 * Each option changes as a whole, but not all of them at once.
 *
 * Context: any. Readers may run at the same time, other writers may not.
 */
void kproxy_options_publish(const struct kproxy_option *table, void *live,
			    const void *options)
{
	const struct kproxy_option *option;

	for (option = table; option->attr; option++)
		kproxy_option_set(option, live,
				  kproxy_option_get(option, options));
}
