/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_COMPILER_H
#define KPROXY_COMPILER_H

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define __must_be_kept __attribute__((returns_nonnull, warn_unused_result))
#define __noreturn __attribute__((noreturn))
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
