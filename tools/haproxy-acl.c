// SPDX-License-Identifier: GPL-2.0
/* Conditions of HAProxy: named by "acl", or in braces. */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "haproxy.h"
#include "import.h"

static const struct fetch {
	const char *name;
	enum haproxy_test test;
} fetches[] = {
	{ "src", TEST_CLIENT },
	{ "req.ssl_sni", TEST_SNI },
	{ "req_ssl_sni", TEST_SNI },
	{ "req.ssl_sni,lower", TEST_SNI },
	{ "req_ssl_sni,lower", TEST_SNI },
	{ "req.ssl_hello_type", TEST_HELLO },
	{ "req_ssl_hello_type", TEST_HELLO },
	{ "src_conn_cur", TEST_CONNECTIONS },
	{ "sc0_conn_cur", TEST_CONNECTIONS },
	{ "sc_conn_cur(0)", TEST_CONNECTIONS },
};

/* Those that HAProxy defines by itself. */
static const struct builtin {
	const char *name;
	enum haproxy_test test;
	const char *value;
} builtins[] = {
	{ "TRUE", TEST_ALWAYS, "" },
	{ "LOCALHOST", TEST_CLIENT, "127.0.0.0/8" },
};

static enum haproxy_test find_test(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fetches); i++)
		if (!strcmp(fetches[i].name, name))
			return fetches[i].test;
	return TEST_UNKNOWN;
}

/* How the values are compared, of the flags before them. */
struct match {
	bool end;
	bool other;
};

/* Return: the index of the first value. */
static size_t read_flags(char *const *words, size_t n, struct match *match)
{
	size_t i = 0;

	while (i < n && words[i][0] == '-') {
		if (!strcmp(words[i], "--"))
			return i + 1;
		if (!strcmp(words[i], "-m") && i + 1 < n) {
			i++;
			match->end = !strcmp(words[i], "end");
			match->other = !match->end && strcmp(words[i], "str") &&
				       strcmp(words[i], "ip");
		} else if (strcmp(words[i], "-i") && strcmp(words[i], "-n")) {
			match->other = true;
		}
		i++;
	}
	return i;
}

/* Names that end with .b are *.b; those that end with b are b and *.b. */
static void add_suffix(json_t *values, const char *text)
{
	char *pattern = import_text("*.%s", text + (*text == '.'));

	json_array_append_new(values, json_string(pattern));
	if (*text != '.')
		json_array_append_new(values, json_string(text));
	free(pattern);
}

static bool add_limit(json_t *values, char *const *words, size_t n)
{
	uint64_t limit;

	if (n != 2 || !import_count(words[1], &limit))
		return false;
	if (!strcmp(words[0], "ge") && limit)
		limit--;
	else if (strcmp(words[0], "gt"))
		return false;
	json_array_append_new(values, json_integer(limit));
	return true;
}

/* Add [test, value...] of @words to @values; returns whether it is known. */
static bool read_test(json_t *values, char *const *words, size_t n)
{
	struct match match = {};
	enum haproxy_test test;
	size_t i;

	if (!n)
		return false;
	test = find_test(words[0]);
	i = 1 + read_flags(words + 1, n - 1, &match);
	if (test == TEST_UNKNOWN || match.other || i >= n)
		return false;
	if (match.end && test != TEST_SNI)
		return false;
	json_array_append_new(values, json_integer(test));
	if (test == TEST_CONNECTIONS)
		return add_limit(values, words + i, n - i);
	if (test == TEST_HELLO)
		return n - i == 1 && !strcmp(words[i], "1");
	for (; i < n; i++) {
		if (match.end)
			add_suffix(values, words[i]);
		else if (json_array_append_new(values, json_string(words[i])))
			return false;
	}
	return true;
}

static void set_unknown(json_t *values)
{
	json_array_clear(values);
	json_array_append_new(values, json_integer(TEST_UNKNOWN));
}

static enum haproxy_test test_of(const json_t *values)
{
	return json_integer_value(json_array_get(values, 0));
}

/* Either of two conditions; one is known only if both are of one kind. */
static void join(json_t *values, const json_t *more)
{
	json_t *value;
	size_t i;

	if (test_of(values) != test_of(more) ||
	    test_of(values) == TEST_CONNECTIONS) {
		set_unknown(values);
		return;
	}
	json_array_foreach(more, i, value)
		if (i)
			json_array_append(values, value);
}

void haproxy_acl(struct import *im, struct haproxy_acls *acls,
		 const struct line *line)
{
	json_t *values = json_array(), *before;

	if (line->n < 3 ||
	    !read_test(values, line->words + 2, line->n - 2)) {
		import_refuse(im, line->number, line->words, line->n, NULL);
		set_unknown(values);
	}
	if (line->n < 2) {
		json_decref(values);
		return;
	}
	before = json_object_get(acls->by_name, line->words[1]);
	if (before)
		join(before, values);
	else
		json_object_set(acls->by_name, line->words[1], values);
	json_decref(values);
}

static json_t *find_acl(const struct haproxy_acls *acls, const char *name)
{
	json_t *values = json_object_get(acls->by_name, name);
	size_t i;

	if (values)
		return json_deep_copy(values);
	for (i = 0; i < ARRAY_SIZE(builtins); i++)
		if (!strcmp(builtins[i].name, name))
			return json_pack("[i,s]", builtins[i].test,
					 builtins[i].value);
	return json_pack("[i]", TEST_UNKNOWN);
}

/**
 * struct words - what is left of a condition
 * @list: the words
 * @n: how many
 */
struct words {
	char *const *list;
	size_t n;
};

static const char *next(struct words *words)
{
	if (!words->n)
		return NULL;
	words->n--;
	return *words->list++;
}

/* A name, or a test in braces. */
static json_t *read_factor(const struct haproxy_acls *acls,
			   struct words *words, bool *negated)
{
	char *const *begin;
	const char *word;
	json_t *values;
	size_t n = 0;

	*negated = false;
	while ((word = next(words)) && *word == '!') {
		*negated = !*negated;
		if (*++word)
			break;
	}
	if (!word || strcmp(word, "{"))
		return find_acl(acls, word ? word : "");
	begin = words->list;
	while ((word = next(words)) && strcmp(word, "}"))
		n++;
	values = json_array();
	if (!word || !read_test(values, begin, n))
		set_unknown(values);
	return values;
}

static bool is_or(const char *word)
{
	return !strcmp(word, "or") || !strcmp(word, "||");
}

/* A name that was sent came in a handshake. */
static bool is_name_and_hello(const json_t *a, const json_t *b)
{
	return test_of(a) == TEST_SNI && test_of(b) == TEST_HELLO;
}

/*
 * Join one more factor. "a or b" is the list of both, and "!a !b" is the opposite
 * of it; anything else that joins two is not known.
 */
static void add_factor(struct haproxy_condition *condition, json_t *values,
		       bool negated, bool is_first, bool joined_by_or)
{
	if (is_first) {
		condition->values = json_incref(values);
		condition->negated = negated;
	} else if (!negated && !condition->negated && !joined_by_or &&
		   is_name_and_hello(condition->values, values)) {
		return;
	} else if (!negated && !condition->negated && !joined_by_or &&
		   is_name_and_hello(values, condition->values)) {
		json_decref(condition->values);
		condition->values = json_incref(values);
	} else if (negated == condition->negated && negated != joined_by_or) {
		join(condition->values, values);
	} else {
		set_unknown(condition->values);
	}
}

static void read_factors(const struct haproxy_acls *acls, struct words *words,
			 struct haproxy_condition *condition)
{
	bool negated, first = true, joined_by_or = false;
	json_t *values;

	while (words->n) {
		if (!first && is_or(*words->list)) {
			joined_by_or = true;
			next(words);
		}
		values = read_factor(acls, words, &negated);
		add_factor(condition, values, negated, first, joined_by_or);
		json_decref(values);
		first = false;
		joined_by_or = false;
	}
}

void haproxy_condition(const struct haproxy_acls *acls,
		       const struct line *line, size_t i,
		       struct haproxy_condition *condition)
{
	struct words words = { line->words + i, line->n - i };
	const char *word = next(&words);
	bool unless = word && !strcmp(word, "unless");

	*condition = (struct haproxy_condition){ .test = TEST_ALWAYS };
	if (!word) {
		condition->values = json_array();
		return;
	}
	if (unless || !strcmp(word, "if"))
		read_factors(acls, &words, condition);
	if (!condition->values)
		condition->values = json_pack("[i]", TEST_UNKNOWN);
	condition->test = test_of(condition->values);
	condition->negated ^= unless;
	json_array_remove(condition->values, 0);
}

void haproxy_condition_free(struct haproxy_condition *condition)
{
	json_decref(condition->values);
}
