// SPDX-License-Identifier: GPL-2.0
/* How text from outside is printed: names of interfaces, words of messages. */
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "addr.h"
#include "alloc.h"
#include "ctx.h"
#include "print.h"
#include "text.h"
#include "tap.h"

static void prints(const char *text, const char *want, const char *name)
{
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	text_print(out, text);
	fclose(out);
	tap_is(got, want, name);
	free(got);
}

static void test_characters(void)
{
	prints("web", "web", "a name");
	prints("a b~", "a b~", "blanks");
	prints("f\xc3\xbcr \xe2\x82\xac \xf0\x9f\x90\xa7",
	       "f\xc3\xbcr \xe2\x82\xac \xf0\x9f\x90\xa7", "other alphabets");
	prints("a\x1b[31mb", "a\\x1b[31mb", "an escape sequence");
	prints("a\nb\r\tc\x7f", "a\\x0ab\\x0d\\x09c\\x7f", "controls");
	prints("\23331m", "\\x9b31m", "the 8-bit control of a Latin-1 terminal");
	prints("\302\23331m", "\\xc2\\x9b31m", "and of one that reads UTF-8");
	prints("a\342\200\256b", "a\\xe2\\x80\\xaeb", "text from right to left");
	prints("\xe2\x80\xa8", "\\xe2\\x80\\xa8", "a line separator");
	prints("\xc3", "\\xc3", "half a character");
	prints("\xe2\x82", "\\xe2\\x82", "two thirds of one");
	prints("\xc0\x9b", "\\xc0\\x9b", "a control in more bytes than it needs");
	prints("\xe0\x80\x9b", "\\xe0\\x80\\x9b", "in yet more");
	prints("\xed\xa0\x80", "\\xed\\xa0\\x80", "half a surrogate pair");
	prints("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "beyond Unicode");
}

static void test_json(void)
{
	json_t *string;
	char *text;

	string = text_json("a\033\377b", 4);
	tap_is(json_string_value(string), "a\\x1b\\xffb", "what is not UTF-8");
	json_decref(string);
	string = text_json("a\033bc", 3);
	text = json_dumps(string, JSON_ENCODE_ANY);
	tap_is(text, "\"a\\u001Bb\"", "a control");
	free(text);
	json_decref(string);
}

static void prints_value(const char *want, json_t *value, const char *name)
{
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	print_value(out, value);
	fclose(out);
	tap_is(got, want, name);
	free(got);
	json_decref(value);
}

static void test_values(void)
{
	prints_value("\\x1b[2J", json_string("\x1b[2J"), "a value");
	prints_value("a,\\x0ab", json_pack("[s,s]", "a", "\nb"),
		     "values of a list");
}

/* Cells of a table are as wide as what is printed. */
static void test_tables(void)
{
	static const struct column columns[] = {
		{ .title = "NAME", .key = "name" },
		{ .title = "N", .key = "n" },
		{}
	};
	static const struct table table = { .columns = columns };
	json_t *rows = json_pack("[{s:s,s:i},{s:s,s:i}]", "name", "a\x1b[H",
				 "n", 1, "name", "b", "n", 2);
	struct ctx ctx = { .ifd = -1 };
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	print_table(out, &ctx, rows, &table);
	fclose(out);
	tap_is(got, "NAME     N\na\\x1b[H  1\nb        2\n", "a table");
	free(got);
	json_decref(rows);
}

/* What a command says on standard error. */
static void test_complaints(void)
{
	struct ctx ctx = { .ifd = -1, .object = "listener",
			   .name = "\x1b]0;title\x07" };
	FILE *kept = stderr;
	char *got = NULL;
	size_t size;

	stderr = open_memstream(&got, &size);
	ctx_refuse(&ctx, "address %s is\nno %s", "\xc2\x9bm", "address");
	fclose(stderr);
	stderr = kept;
	tap_is(got, "kproxy: listener \"\\x1b]0;title\\x07\": address \\xc2\\x9bm is\\x0ano address\n",
	       "a complaint is one line without controls");
	free(got);
}

int main(void)
{
	test_characters();
	test_json();
	test_values();
	test_tables();
	test_complaints();
	return tap_done();
}
