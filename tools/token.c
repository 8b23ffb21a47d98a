// SPDX-License-Identifier: GPL-2.0
#include "token.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <linux/kproxy.h>

#include "compiler.h"

static const struct unit {
	const char *name;
	uint64_t ms;
	bool printed;
} units[] = {
	/* Days are read, but the largest unit that is written is the hour. */
	{ "d", 86400000, false },
	{ "h", 3600000, true },
	{ "m", 60000, true },
	{ "s", 1000, true },
	{ "ms", 1, true },
};

/* The largest that has no fraction is written. */
static const struct scale {
	const char *name;
	uint64_t factor;
} sizes[] = {
	{ "g", 1 << 30 },
	{ "m", 1 << 20 },
	{ "k", 1 << 10 },
	{ "", 1 },
}, rates[] = {
	{ "tbit", 1000000000000 },
	{ "gbit", 1000000000 },
	{ "mbit", 1000000 },
	{ "kbit", 1000 },
	{ "bit", 1 },
};

const char *token_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > KPROXY_NAME_MAX || strspn(text, TOKEN_NAME_CHARS) != len)
		return "a name is 1 to 63 of A-Za-z0-9._-";
	return NULL;
}

#define SNI_REFUSED \
	"a server name is letters, digits, - and _ with dots between, perhaps after \"*.\""

/* As the kernel's kproxy_route_pattern(). */
static bool is_pattern(const char *text)
{
	size_t len;

	if (!strncmp(text, "*.", 2))
		text += 2;
	do {
		len = strspn(text, TOKEN_HOST_CHARS);
		text += len;
	} while (len && *text++ == '.');
	return len && !text[-1];
}

const char *token_sni(const char *text, char *sni)
{
	size_t len = strlen(text), i;

	if (len > KPROXY_SNI_MAX)
		return "a server name is at most 255 bytes long";
	if (!is_pattern(text))
		return SNI_REFUSED;
	for (i = 0; i <= len; i++)
		sni[i] = tolower((unsigned char)text[i]);
	return NULL;
}

/* Decimal digits at the start of @text; @end is what follows them. */
static const char *leading_number(const char *text, uint64_t *value,
				  const char **end)
{
	uint64_t n = 0;

	if (*text < '0' || *text > '9')
		return "not a number";
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *text - '0', &n))
			return "number is too large";
	*value = n;
	*end = text;
	return NULL;
}

const char *token_number(const char *text, uint64_t *value)
{
	const char *end, *why;

	why = leading_number(text, value, &end);
	if (why)
		return why;
	return *end ? "not a number" : NULL;
}

const char *token_port(const char *text, uint16_t *port)
{
	uint64_t value;

	if (token_number(text, &value) || !value || value > UINT16_MAX)
		return "port must be 1 to 65535";
	*port = value;
	return NULL;
}

/* A number and one of @n units; @no_unit is the reason when it is none. */
static const char *scaled(const char *text, const struct scale *scales,
			  size_t n, const char *no_unit, uint64_t *value)
{
	const char *end, *why;
	size_t i;

	why = leading_number(text, value, &end);
	if (why)
		return why;
	for (i = 0; i < n; i++) {
		if (strcmp(scales[i].name, end))
			continue;
		if (__builtin_mul_overflow(*value, scales[i].factor, value))
			return "number is too large";
		return NULL;
	}
	return no_unit;
}

static void format_scaled(uint64_t value, const struct scale *scale, char *buf,
			  size_t size)
{
	while (value % scale->factor)
		scale++;
	snprintf(buf, size, "%" PRIu64 "%s", value / scale->factor, scale->name);
}

const char *token_size(const char *text, uint64_t *bytes)
{
	if (strspn(text, TOKEN_DIGITS) == 0)
		return "not a size, write it like 65536, 64k or 4m";
	return scaled(text, sizes, ARRAY_SIZE(sizes),
		      "the unit of a size is k, m or g", bytes);
}

void token_format_size(uint64_t bytes, char *buf, size_t size)
{
	if (!bytes)
		snprintf(buf, size, "0");
	else
		format_scaled(bytes, sizes, buf, size);
}

const char *token_rate(const char *text, uint64_t *bytes)
{
	const char *why;
	uint64_t bits;

	if (strspn(text, TOKEN_DIGITS) == 0)
		return "not a rate, write it like 500kbit, 10mbit or 1gbit";
	if (!strcmp(text, "0")) {
		*bytes = 0;
		return NULL;
	}
	why = scaled(text, rates, ARRAY_SIZE(rates),
		     "a rate needs a unit: bit, kbit, mbit, gbit or tbit", &bits);
	if (why)
		return why;
	if (bits % 8)
		return "a rate is a multiple of 8bit";
	*bytes = bits / 8;
	return NULL;
}

void token_format_rate(uint64_t bytes, char *buf, size_t size)
{
	if (!bytes)
		snprintf(buf, size, "0");
	else
		format_scaled(bytes * 8, rates, buf, size);
}

static const struct unit *find_unit(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/*
 * The digits behind a point: @n of @scale parts. Digits beyond the twelfth are
 * parts of no unit that is a whole millisecond, unless they are 0.
 */
static const char *fraction(const char **text, uint64_t *n, uint64_t *scale)
{
	const char *end = *text + strspn(*text, TOKEN_DIGITS);

	if (end == *text)
		return "a digit must follow the point";
	while (end[-1] == '0' && end - 1 > *text)
		end--;
	for (*n = 0, *scale = 1; *text < end; ++*text) {
		if (*scale == 1000000000000)
			return "a time is whole milliseconds";
		*n = *n * 10 + (**text - '0');
		*scale *= 10;
	}
	*text += strspn(*text, TOKEN_DIGITS);
	return NULL;
}

/* Add @n of @scale parts of a unit. */
static const char *add_fraction(uint64_t *ms, const struct unit *unit,
				uint64_t n, uint64_t scale)
{
	uint64_t parts;

	if (__builtin_mul_overflow(n, unit->ms, &parts) || parts % scale)
		return "a time is whole milliseconds";
	if (__builtin_add_overflow(*ms, parts / scale, ms))
		return "time is too long";
	return NULL;
}

const char *token_time(const char *text, uint64_t *ms)
{
	uint64_t n, parts = 0, scale = 1;
	const struct unit *unit;
	const char *end, *why;

	if (strspn(text, TOKEN_DIGITS) == 0)
		return "not a time, write it like 500ms, 2s, 10m or 1h";
	why = leading_number(text, &n, &end);
	if (why)
		return why;
	if (*end == '.') {
		end++;
		why = fraction(&end, &parts, &scale);
		if (why)
			return why;
	}
	unit = *end || n || parts ? find_unit(end) : &units[ARRAY_SIZE(units) - 1];
	if (!unit)
		return "a time needs a unit: ms, s, m, h or d";
	if (__builtin_mul_overflow(n, unit->ms, ms))
		return "time is too long";
	return add_fraction(ms, unit, parts, scale);
}

void token_format_time(uint64_t ms, char *buf, size_t size)
{
	const struct unit *unit = units;

	if (!ms) {
		snprintf(buf, size, "0");
		return;
	}
	while (!unit->printed || ms % unit->ms)
		unit++;
	snprintf(buf, size, "%" PRIu64 "%s", ms / unit->ms, unit->name);
}
