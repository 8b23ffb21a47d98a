// SPDX-License-Identifier: GPL-2.0
#include "escape.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static const char bad_escape[] =
	"a backslash must be followed by abefnrtv, \\, x and hex, or octal digits";

static const char letters[] = "abefnrtv'\"\\";
static const char meanings[] = "\a\b\033\f\n\r\t\v'\"\\";

static bool is_special(char c)
{
	return c && strchr("*?[]\\", c);
}

/* Digits from @text on, at most @max of them, of this base. */
static const char *read_digits(const char *text, int base, int max,
			       unsigned int *value)
{
	char digit[2] = {}, *end;
	long part;

	for (*value = 0; max--; text++) {
		digit[0] = *text;
		if (!isxdigit((unsigned char)*text))
			break;
		part = strtol(digit, &end, base);
		if (*end)
			break;
		*value = *value * base + part;
	}
	return text;
}

/* Read what follows a backslash; NULL if that is no escape. */
static const char *read_one(const char *text, char *byte)
{
	const char *letter = *text ? strchr(letters, *text) : NULL, *end;
	unsigned int value;

	if (letter) {
		*byte = meanings[letter - letters];
		return text + 1;
	}
	if (*text == 'x')
		end = read_digits(++text, 16, 2, &value);
	else
		end = read_digits(text, 8, 3, &value);
	*byte = value;
	return end > text && value < 256 ? end : NULL;
}

const char *escape_read(const char *text, bool pattern, char *data, size_t *len)
{
	char *to = data, byte;

	while (*text) {
		if (*text != '\\') {
			*to++ = *text++;
			continue;
		}
		if (pattern && is_special(text[1])) {
			*to++ = *text++;
			*to++ = *text++;
			continue;
		}
		text = read_one(text + 1, &byte);
		if (!text)
			return bad_escape;
		/* No escape with a number is shorter than this. */
		if (pattern && is_special(byte))
			*to++ = '\\';
		*to++ = byte;
	}
	*len = to - data;
	return NULL;
}

static void write_one(FILE *out, char c, bool pattern)
{
	const char *meaning = c ? strchr(meanings, c) : NULL;

	if (c == '\'' || c == '"' || (c == '\\' && pattern))
		fputc(c, out);
	else if (meaning)
		fprintf(out, "\\%c", letters[meaning - meanings]);
	else if (c >= ' ' && c <= '~')
		fputc(c, out);
	else
		fprintf(out, "\\x%02x", (unsigned char)c);
}

char *escape_write(const char *data, size_t len, bool pattern)
{
	char *text = NULL;
	size_t size, i;
	FILE *out;

	out = xopen(&text, &size);
	for (i = 0; i < len; i++) {
		/* What needs no backslash may have one in a pattern. */
		if (pattern && data[i] == '\\' && i + 1 < len &&
		    !is_special(data[i + 1]))
			continue;
		write_one(out, data[i], pattern);
		if (pattern && data[i] == '\\' && i + 1 < len)
			write_one(out, data[++i], pattern);
	}
	xclose(out);
	return text;
}
