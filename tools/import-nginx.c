// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of nginx's stream module: a block "server" becomes a listener,
 * a block "upstream" an upstream. Each step is in a file nginx-*.c.
 */
#include "import.h"
#include "nginx-import.h"

/* Return: whether the block is one that others refer to. */
static bool read_named(struct nginx_import *f, const struct directive *d)
{
	size_t index = d - f->d.list;

	if (nginx_has(d, 0, "upstream") && d->n == 2 && d->block)
		json_object_set_new(f->upstreams, d->words[1],
				    json_integer(index));
	else if (nginx_has(d, 0, "map") && d->n == 3 && d->block &&
		 nginx_has(d, 1, "$ssl_preread_server_name"))
		json_object_set_new(f->maps, d->words[2],
				    json_integer(index));
	else
		return false;
	return true;
}

static bool is_server(const struct directive *d)
{
	return nginx_has(d, 0, "server") && d->block;
}

/* Blocks may refer to those behind them. */
static void read_stream(struct nginx_import *f, size_t begin, size_t end)
{
	struct nginx_block stream = {};
	const struct directive *d;
	size_t i;

	for (i = begin; i < end; i = d->end) {
		d = &f->d.list[i];
		if (!read_named(f, d) && !is_server(d))
			nginx_read_setting(f, &stream, d);
	}
	for (i = begin; i < end; i = f->d.list[i].end)
		if (is_server(&f->d.list[i]))
			nginx_listener(f, &stream, &f->d.list[i]);
	rules_free(&stream.rules);
}

/* Outside of "stream" only what carries bytes is missed. */
static void read_outside(struct nginx_import *f, const struct directive *d)
{
	if (nginx_has(d, 0, "http") || nginx_has(d, 0, "mail"))
		nginx_refuse(f, d, "the block is left out");
	else if (nginx_has(d, 0, "include"))
		nginx_refuse(f, d, "import that file by itself");
}

/* A file of a directory that "stream" includes has its blocks at the top. */
static void read_all(struct nginx_import *f)
{
	const struct directive *d;
	bool whole = false;
	size_t i;

	for (i = 0; i < f->d.n; i = f->d.list[i].end)
		whole |= nginx_has(&f->d.list[i], 0, "stream") ||
			 nginx_has(&f->d.list[i], 0, "events") ||
			 nginx_has(&f->d.list[i], 0, "http");
	if (!whole) {
		read_stream(f, 0, f->d.n);
		return;
	}
	for (i = 0; i < f->d.n; i = d->end) {
		d = &f->d.list[i];
		if (nginx_has(d, 0, "stream") && d->block)
			read_stream(f, i + 1, d->end);
		else
			read_outside(f, d);
	}
}

void import_nginx(struct import *im, char *text)
{
	struct nginx_import f = { .im = im, .upstreams = json_object(),
				  .maps = json_object(),
				  .made = json_object() };
	struct nginx_fault fault;

	if (!nginx_read(&f.d, text, &fault))
		import_note(im, fault.line, "%s, what follows is left out",
			    fault.why);
	read_all(&f);
	nginx_free(&f.d);
	json_decref(f.upstreams);
	json_decref(f.maps);
	json_decref(f.made);
}
