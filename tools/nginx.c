// SPDX-License-Identifier: GPL-2.0
/* The syntax of nginx's configuration. */
#include "nginx.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Blocks within blocks; nginx itself has no use for more than a few. */
#define DEPTH_MAX 32

struct reader {
	struct directives *d;
	char *text;
	unsigned int line;
	size_t open[DEPTH_MAX];
	size_t depth;
	struct nginx_fault *fault;
};

static bool fail(struct reader *r, const char *why)
{
	*r->fault = (struct nginx_fault){ r->line, why };
	return false;
}

static void skip_blanks(struct reader *r)
{
	for (; *r->text; r->text++) {
		if (*r->text == '#')
			r->text += strcspn(r->text, "\n");
		if (*r->text == '\n')
			r->line++;
		else if (!*r->text || !strchr(" \t\r", *r->text))
			return;
	}
}

static bool ends_word(const char *text)
{
	return !*text || strchr(" \t\r\n;{", *text);
}

/* Behind a word its end is kept, because the word's zero byte goes there. */
static bool read_word(struct reader *r, char **word, char *end)
{
	char *in = r->text, *out = in, quote = '\0';

	*word = in;
	if (*in == '"' || *in == '\'')
		quote = *in++;
	for (; quote ? *in && *in != quote : !ends_word(in); in++) {
		if (*in == '\\' && in[1])
			in++;
		/* "${name}" has no block. */
		else if (*in == '$' && in[1] == '{')
			*out++ = *in++;
		if (*in == '\n')
			r->line++;
		*out++ = *in;
	}
	if (quote && !*in)
		return fail(r, "a quote is not closed");
	in += !!quote;
	*end = *in;
	r->text = in;
	*out = '\0';
	return true;
}

static struct directive *new_directive(struct reader *r)
{
	struct directives *d = r->d;

	d->list = xgrow(d->list, d->n + 1, sizeof(*d->list));
	d->list[d->n] = (struct directive){ .line = r->line };
	return &d->list[d->n++];
}

static bool open_block(struct reader *r, struct directive *d)
{
	if (r->depth == DEPTH_MAX)
		return fail(r, "too many blocks in blocks");
	d->block = true;
	r->open[r->depth++] = d - r->d->list;
	return true;
}

static bool close_block(struct reader *r)
{
	if (!r->depth)
		return fail(r, "unexpected \"}\"");
	r->d->list[r->open[--r->depth]].end = r->d->n;
	return true;
}

/* The words up to ";" or "{". */
static bool read_directive(struct reader *r)
{
	struct directive *d = new_directive(r);
	char *word, end;

	for (;;) {
		end = *r->text;
		if (end == ';' || end == '{' || !end)
			break;
		if (!read_word(r, &word, &end))
			return false;
		d->words = xgrow(d->words, d->n + 1, sizeof(*d->words));
		d->words[d->n++] = word;
		/* The zero byte of the word may be what ends it. */
		if (end == ';' || end == '{' || !end)
			break;
		if (end == '\n')
			r->line++;
		if (end && strchr(" \t\r\n", end))
			r->text++;
		skip_blanks(r);
	}
	d->end = r->d->n;
	if (!d->n)
		return fail(r, "a directive without a name");
	if (!end)
		return fail(r, "a directive is not ended by \";\"");
	r->text++;
	return end == ';' || open_block(r, d);
}

bool nginx_read(struct directives *d, char *text, struct nginx_fault *fault)
{
	struct reader r = { .d = d, .text = text, .line = 1, .fault = fault };
	bool good = true;
	size_t i;

	*d = (struct directives){};
	while (good) {
		skip_blanks(&r);
		if (!*r.text)
			break;
		if (*r.text == '}') {
			r.text++;
			good = close_block(&r);
		} else {
			good = read_directive(&r);
		}
	}
	if (good && r.depth)
		good = fail(&r, "a block is not closed");
	/* One that is incomplete may lack its name. */
	if (!good && d->n && !d->list[d->n - 1].n)
		free(d->list[--d->n].words);
	for (i = 0; i < r.depth; i++)
		if (r.open[i] < d->n)
			d->list[r.open[i]].end = d->n;
	for (i = 0; i < d->n; i++)
		if (d->list[i].end > d->n)
			d->list[i].end = d->n;
	return good;
}

void nginx_free(struct directives *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		free(d->list[i].words);
	free(d->list);
}

bool nginx_has(const struct directive *d, size_t i, const char *word)
{
	return i < d->n && !strcmp(d->words[i], word);
}

const char *nginx_value(const struct directive *d, const char *key)
{
	size_t len = strlen(key), i;

	for (i = 1; i < d->n; i++)
		if (!strncmp(d->words[i], key, len) && d->words[i][len] == '=')
			return d->words[i] + len + 1;
	return NULL;
}
