// SPDX-License-Identifier: GPL-2.0
#include "../escape.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* Whether a text stands for these bytes. */
static bool reads(const char *text, bool pattern, const char *want, size_t n)
{
	char data[64];
	size_t len;

	return !escape_read(text, pattern, data, &len) && len == n &&
	       !memcmp(data, want, n);
}

static bool refused(const char *text)
{
	char data[64];
	size_t len;

	return escape_read(text, false, data, &len);
}

/* Whether bytes are written as this text, which stands for them. */
static bool writes(const char *data, size_t len, bool pattern, const char *want)
{
	char *text = escape_write(data, len, pattern);
	bool same = !strcmp(text, want) && reads(text, pattern, data, len);

	free(text);
	return same;
}

int main(void)
{
	tap_ok(reads("PING\\r\\n", false, "PING\r\n", 6), "letters");
	tap_ok(reads("\\0\\x0\\xff\\015\\\\\\\"", false, "\0\0\xff\r\\\"", 6),
	       "numbers");
	tap_ok(reads("\\x414", false, "A4", 2), "at most two hexadecimal digits");
	tap_ok(reads("\\1011", false, "A1", 2), "at most three octal digits");
	tap_ok(refused("\\q") && refused("\\") && refused("\\x") &&
	       refused("\\xg") && refused("\\400") && refused("\\8"),
	   "what is no escape");
	tap_ok(reads("\\*\\?\\[\\]\\\\\\n", true, "\\*\\?\\[\\]\\\\\n", 11),
	       "a pattern keeps the backslash of what is special");
	tap_ok(reads("\\x2a*\\133", true, "\\**\\[", 5),
	       "a number is never special");
	tap_ok(writes("a\0\r\n\t\x1b\xff\\\"'", 10, false,
		      "a\\x00\\r\\n\\t\\e\\xff\\\\\"'"), "written and read again");
	tap_ok(writes("\\*\\\\x\n*", 7, true, "\\*\\\\x\\n*"),
	       "the same for a pattern");
	return tap_done();
}
