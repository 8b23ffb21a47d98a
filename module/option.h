/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_OPTION_H
#define _KPROXY_OPTION_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

/*
 * An option of an object that is a number: its attribute in messages, its field in
 * the struct of the object's options, and its default. Its limits are in the policy
 * that is generated from the specification.
 */
struct kproxy_option {
	u16 attr;
	u16 offset;
	u32 def;
	/* bits of the object: what must begin again when this changes */
	u32 restarts;
};

/* A row of a table, for a field of the struct @type. */
#define KPROXY_OPTION(_attr, type, field, _def, ...) {			\
	.attr = (_attr),						\
	.offset = offsetof(type, field) +				\
		  BUILD_BUG_ON_ZERO(sizeof_field(type, field) !=	\
				    sizeof(u32)),			\
	.def = (_def),							\
	__VA_ARGS__							\
}

/* The last row. */
#define KPROXY_OPTION_END { }

u32 kproxy_option_get(const struct kproxy_option *option, const void *options);
void kproxy_option_set(const struct kproxy_option *option, void *options,
		       u32 value);
void kproxy_options_init(const struct kproxy_option *table, void *options);
u32 kproxy_options_restart(const struct kproxy_option *table, const void *from,
			   const void *to);
void kproxy_options_publish(const struct kproxy_option *table, void *live,
			    const void *options);

#endif /* _KPROXY_OPTION_H */
