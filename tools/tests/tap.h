/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TAP_H
#define KPROXY_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failed;

/* One test: it passes when @got is @want; NULL is a value like others. */
static inline void tap_is(const char *got, const char *want, const char *name)
{
	bool ok = got && want ? !strcmp(got, want) : got == want;

	tap_failed += !ok;
	printf("%sok %d %s\n", ok ? "" : "not ", ++tap_count, name);
	if (!ok)
		printf("# got  %s\n# want %s\n", got ? got : "(null)",
		       want ? want : "(null)");
}

static inline void tap_ok(bool ok, const char *name)
{
	tap_is(ok ? "true" : "false", "true", name);
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
