// SPDX-License-Identifier: GPL-2.0
#include "text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "compiler.h"

/* Controls, and the characters of Unicode that end lines or turn text around. */
static const struct range {
	uint32_t first;
	uint32_t last;
} unprintable[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x061c, 0x061c },
	{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
	{ 0xd800, 0xdfff }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
	{ 0xe0000, 0xe007f }, { 0x110000, UINT32_MAX },
};

static bool is_printable(uint32_t c)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unprintable); i++)
		if (c >= unprintable[i].first && c <= unprintable[i].last)
			return false;
	return true;
}

/* Length of the sequence that this byte begins, 0 if it begins none. */
static size_t sequence(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

size_t text_printable(const char *text)
{
	/* The smallest character of each length. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	size_t len = sequence(*p), i;
	uint32_t c = len > 1 ? *p & (0x7f >> len) : *p;

	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return len && c >= least[len] && is_printable(c) ? len : 0;
}

void text_print(FILE *out, const char *text)
{
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = text_printable(text);
		if (len)
			fwrite(text, 1, len, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
	}
}

json_t *text_json(const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	char *copy = NULL, *part;
	size_t size;
	FILE *out;

	if (string)
		return string;
	out = xopen(&copy, &size);
	part = strndup(text, len);
	if (!part)
		alloc_failed();
	text_print(out, part);
	xclose(out);
	string = json_string(copy);
	free(part);
	free(copy);
	return string;
}
