// SPDX-License-Identifier: GPL-2.0
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define BLANKS " \t\r\v\f"

static bool is_blank(char c)
{
	return c && strchr(BLANKS, c);
}

/*
 * Take quotes and backslashes out of the word at *@p and end it; *@p goes to
 * what follows. Return: whether the line ends with it.
 */
static bool cut_word(char **p)
{
	char *in = *p, *out = *p, quote = '\0';
	bool end;

	for (; *in && (quote || (!is_blank(*in) && *in != '#')); in++) {
		if (*in == '\\' && in[1] && quote != '\'')
			*out++ = *++in;
		else if (*in == quote)
			quote = '\0';
		else if (!quote && (*in == '"' || *in == '\''))
			quote = *in;
		else
			*out++ = *in;
	}
	end = !*in || *in == '#';
	*out = '\0';
	*p = in + !end;
	return end;
}

static void cut_line(struct line *line, char *text)
{
	bool end = false;

	for (;;) {
		text += strspn(text, BLANKS);
		if (end || !*text || *text == '#')
			return;
		line->words = xgrow(line->words, line->n + 1,
				    sizeof(*line->words));
		line->words[line->n++] = text;
		end = cut_word(&text);
	}
}

void lines_read(struct lines *lines, char *text)
{
	unsigned int number = 0;
	struct line line;
	char *next;

	*lines = (struct lines){};
	while (text) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		line = (struct line){ .number = ++number };
		cut_line(&line, text);
		text = next;
		if (!line.n)
			continue;
		lines->list = xgrow(lines->list, lines->n + 1,
				    sizeof(*lines->list));
		lines->list[lines->n++] = line;
	}
}

void lines_free(struct lines *lines)
{
	size_t i;

	for (i = 0; i < lines->n; i++)
		free(lines->list[i].words);
	free(lines->list);
}

bool line_has(const struct line *line, size_t i, const char *word)
{
	return i < line->n && !strcmp(line->words[i], word);
}

void lines_split_address(char *text, const char **host, const char **port)
{
	char *bracket = strrchr(text, ']');
	char *colon = strrchr(bracket ? bracket : text, ':');

	*host = text;
	*port = "";
	if (colon) {
		*colon = '\0';
		*port = colon + 1;
	}
	if (*text != '[')
		return;
	bracket = strchr(text, ']');
	if (bracket)
		*bracket = '\0';
	*host = text + 1;
}
