// SPDX-License-Identifier: GPL-2.0
/*
 * The difference between a configuration file and what the kernel has, as
 * commands. They are built and sent as those of a command line are.
 */
#include "change.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "config.h"
#include "nl.h"
#include "option.h"
#include "print.h"
#include "request.h"
#include "text.h"
#include "view.h"

static const char *const verbs[CHANGE_STEPS] = {
	[CHANGE_ADD_UPSTREAM] = "add",
	[CHANGE_DEL_LISTENER] = "delete",
	[CHANGE_DEL_SERVER] = "delete",
	[CHANGE_SET_SERVER] = "set",
	[CHANGE_ADD_SERVER] = "add",
	[CHANGE_SET_UPSTREAM] = "set",
	[CHANGE_SET_LISTENER] = "set",
	[CHANGE_ADD_LISTENER] = "add",
	[CHANGE_DEL_ROUTE] = "delete",
	[CHANGE_ADD_ROUTE] = "add",
	[CHANGE_DEL_UPSTREAM] = "delete",
};

/* The steps that add, set and delete an object; what can't be set is added anew. */
static const struct steps {
	const struct object *object;
	enum change_step add;
	enum change_step set;
	enum change_step del;
} steps[] = {
	{ &upstream_object, CHANGE_ADD_UPSTREAM, CHANGE_SET_UPSTREAM,
	  CHANGE_DEL_UPSTREAM },
	{ &server_object, CHANGE_ADD_SERVER, CHANGE_SET_SERVER,
	  CHANGE_DEL_SERVER },
	{ &listener_object, CHANGE_ADD_LISTENER, CHANGE_SET_LISTENER,
	  CHANGE_DEL_LISTENER },
	{ &route_object, CHANGE_ADD_ROUTE, CHANGE_ADD_ROUTE, CHANGE_DEL_ROUTE },
};

static const struct steps *steps_of(const struct object *object)
{
	const struct steps *s = steps;

	while (s->object != object)
		s++;
	return s;
}

static const char *member(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* Move each route to a list of its listener. */
static void hand_out_routes(json_t *listeners, json_t *routes)
{
	json_t *lists = json_object(), *row;
	size_t i;

	json_array_foreach(listeners, i, row) {
		json_object_set_new(row, "routes", json_array());
		json_object_set(lists, member(row, "name"),
				json_object_get(row, "routes"));
	}
	/* One whose listener is newer than our list has none. */
	json_array_foreach(routes, i, row)
		json_array_append(json_object_get(lists,
						  member(row, "listener")),
				  row);
	json_decref(lists);
}

static int load_routes(struct ctx *ctx, json_t *listeners)
{
	json_t *routes = json_array();
	int status;

	status = view_rows(ctx, &route_view, routes);
	if (!status)
		hand_out_routes(listeners, routes);
	json_decref(routes);
	return status;
}

int running_load(struct ctx *ctx, struct running *running)
{
	bool stats = ctx->stats;
	int status;

	*running = (struct running){ json_array(), json_array() };
	ctx->stats = false;
	status = view_rows(ctx, &upstream_view, running->upstreams);
	if (!status)
		status = view_rows(ctx, &listener_view, running->listeners);
	if (!status)
		status = load_routes(ctx, running->listeners);
	ctx->stats = stats;
	return status;
}

void running_free(struct running *running)
{
	json_decref(running->upstreams);
	json_decref(running->listeners);
}

/* An object of the kernel's, and whether the file has it. */
struct known {
	const struct object *object;
	json_t *row;
	char *key;
	bool kept;
};

/* All of them, and where each is by its key. */
struct index {
	struct known *list;
	size_t n;
	json_t *by_key;
};

static void index_add(struct index *index, const struct object *object,
		      json_t *row)
{
	char *key = config_key(object, row);

	index->list = xgrow(index->list, index->n + 1, sizeof(*index->list));
	index->list[index->n] = (struct known){ .object = object, .row = row,
						.key = key };
	json_object_set_new(index->by_key, key, json_integer(index->n++));
}

static void index_all(struct index *index, const struct running *running)
{
	json_t *row, *inner;
	size_t i, j;

	index->by_key = json_object();
	json_array_foreach(running->upstreams, i, row) {
		index_add(index, &upstream_object, row);
		json_array_foreach(json_object_get(row, "servers"), j, inner)
			index_add(index, &server_object, inner);
	}
	json_array_foreach(running->listeners, i, row) {
		index_add(index, &listener_object, row);
		json_array_foreach(json_object_get(row, "routes"), j, inner)
			index_add(index, &route_object, inner);
	}
}

static void index_free(struct index *index)
{
	size_t i;

	for (i = 0; i < index->n; i++)
		free(index->list[i].key);
	free(index->list);
	json_decref(index->by_key);
}

static struct known *index_find(const struct index *index,
				const struct object *object, const json_t *row)
{
	char *key = config_key(object, row);
	const json_t *at = json_object_get(index->by_key, key);

	free(key);
	return at ? &index->list[json_integer_value(at)] : NULL;
}

static struct change *change_new(struct changes *changes,
				 const struct object *object,
				 enum change_step step, struct place place)
{
	struct change *change;

	changes->list = xgrow(changes->list, changes->n + 1,
			      sizeof(*changes->list));
	change = &changes->list[changes->n++];
	*change = (struct change){ .object = object, .step = step,
				   .place = place };
	return change;
}

static void add_word(struct change *change, const char *text,
		     struct origin from)
{
	change->words = xgrow(change->words, change->n_words + 1,
			      sizeof(*change->words));
	change->from = xgrow(change->from, change->n_words + 1,
			     sizeof(*change->from));
	change->words[change->n_words] = xstrdup(text);
	change->from[change->n_words++] = from;
}

static json_t *value_of(const struct option_spec *option, const json_t *row)
{
	json_t *value = json_object_get(row, option->name);

	return value ? json_incref(value) : option_default(option);
}

static void note_was(struct change *change, const char *name, json_t *value)
{
	if (!change->was)
		change->was = json_object();
	json_object_set(change->was, name, value ? value : json_null());
}

static void set_option(struct change *change, const struct definition *d,
		       const struct option_spec *option, json_t *want,
		       json_t *have)
{
	struct origin from = { .place = d->place };
	char *text = NULL;

	if (!config_option(d, option->name, &from))
		from = (struct origin){ .place = d->place };
	text = config_text(want);
	add_word(change, option->name, from);
	add_word(change, text, from);
	free(text);
	note_was(change, option->name, have);
}

static void compare_options(struct change *change, const struct definition *d,
			    const json_t *row)
{
	const struct option_spec *option;
	json_t *want, *have;

	for (option = d->object->options; option->name; option++) {
		want = value_of(option, d->row);
		have = value_of(option, row);
		if (want != have && !json_equal(want, have))
			set_option(change, d, option, want, have);
		json_decref(want);
		json_decref(have);
	}
}

static void compare_addresses(struct change *change,
			      const struct definition *d, const json_t *row)
{
	json_t *have = json_object_get(row, "addresses");
	json_t *dead = json_object_get(row, "dead");
	bool same = json_equal(json_object_get(d->row, "addresses"), have);

	if (same && !dead)
		return;
	add_word(change, "address", d->from[1]);
	add_word(change, d->words[1], d->from[1]);
	/* The kernel opens those that are dead again. */
	if (same)
		note_was(change, "dead", dead);
	else
		note_was(change, "address", have);
}

static void change_free(struct change *change)
{
	size_t i;

	for (i = 0; i < change->n_words; i++)
		free(change->words[i]);
	free(change->words);
	free(change->from);
	json_decref(change->was);
}

static void find_set(struct changes *changes, const struct definition *d,
		     const json_t *row)
{
	bool server = d->object == &server_object;
	struct change *change;

	change = change_new(changes, d->object, steps_of(d->object)->set,
			    d->place);
	add_word(change, d->words[0], d->from[0]);
	if (server)
		add_word(change, d->words[1], d->from[1]);
	if (d->object == &listener_object)
		compare_addresses(change, d, row);
	compare_options(change, d, row);
	if (change->was)
		return;
	change_free(change);
	changes->n--;
}

static struct change *find_add(struct changes *changes,
			       const struct definition *d)
{
	struct change *change;
	size_t i;

	change = change_new(changes, d->object, steps_of(d->object)->add,
			    d->place);
	for (i = 0; i < d->n_words; i++)
		add_word(change, d->words[i], d->from[i]);
	return change;
}

static bool is_gone(const struct index *index, const struct object *object,
		    const char *name)
{
	json_t *row = json_pack("{s:s}", "name", name);
	const struct known *known = index_find(index, object, row);

	json_decref(row);
	return known && !known->kept;
}

/* A deleted upstream takes its servers with it, a listener its routes. */
static bool goes_with_outer(const struct index *index,
			    const struct known *known)
{
	if (known->object == &server_object)
		return is_gone(index, &upstream_object,
			       member(known->row, "upstream"));
	if (known->object == &route_object)
		return is_gone(index, &listener_object,
			       member(known->row, "listener"));
	return false;
}

static void delete_route(struct changes *changes, const json_t *row)
{
	struct origin nowhere = {};
	struct change *change;

	change = change_new(changes, &route_object, CHANGE_DEL_ROUTE,
			    nowhere.place);
	add_word(change, member(row, "listener"), nowhere);
	add_word(change, "sni", nowhere);
	add_word(change, member(row, "sni"), nowhere);
}

static void replace_route(struct changes *changes, const struct definition *d,
			  const json_t *row)
{
	json_t *have = json_object_get(row, "upstream");

	if (json_equal(json_object_get(d->row, "upstream"), have))
		return;
	delete_route(changes, row);
	note_was(find_add(changes, d), "upstream", have);
}

static void find_del(struct changes *changes, const struct index *index,
		     const struct known *known)
{
	bool server = known->object == &server_object;
	struct origin nowhere = {};
	struct change *change;

	if (known->kept || goes_with_outer(index, known))
		return;
	if (known->object == &route_object) {
		delete_route(changes, known->row);
		return;
	}
	change = change_new(changes, known->object,
			    steps_of(known->object)->del, nowhere.place);
	add_word(change, member(known->row, server ? "upstream" : "name"),
		 nowhere);
	if (server)
		add_word(change, member(known->row, "address"), nowhere);
}

void changes_find(struct changes *changes, const struct config *config,
		  const struct running *running)
{
	const struct definition *d;
	struct index index = {};
	struct known *known;
	size_t i;

	*changes = (struct changes){};
	index_all(&index, running);
	for (i = 0; i < config->n; i++) {
		d = &config->list[i];
		known = index_find(&index, d->object, d->row);
		if (!known) {
			find_add(changes, d);
			continue;
		}
		known->kept = true;
		if (d->object == &route_object)
			replace_route(changes, d, known->row);
		else
			find_set(changes, d, known->row);
	}
	for (i = 0; i < index.n; i++)
		find_del(changes, &index, &index.list[i]);
	index_free(&index);
}

void changes_free(struct changes *changes)
{
	size_t i;

	for (i = 0; i < changes->n; i++)
		change_free(&changes->list[i]);
	free(changes->list);
}

typedef int (*change_fn)(struct ctx *ctx, const struct change *change,
			 void *arg);

/* In the order of their steps, and in each in that of the file. */
static int walk(struct ctx *ctx, const struct changes *changes, change_fn fn,
		void *arg)
{
	enum change_step step;
	int status = STATUS_DONE;
	size_t i;

	for (step = 0; step < CHANGE_STEPS; step++)
		for (i = 0; !status && i < changes->n; i++)
			if (changes->list[i].step == step)
				status = fn(ctx, &changes->list[i], arg);
	return status;
}

static int print_one(struct ctx *ctx, const struct change *change, void *arg)
{
	const char *name, *separator = "  # was ";
	json_t *value;
	size_t i;

	(void)ctx;
	(void)arg;
	printf("%s %s", change->object->name, verbs[change->step]);
	for (i = 0; i < change->n_words; i++) {
		putchar(' ');
		text_print(stdout, change->words[i]);
	}
	json_object_foreach(change->was, name, value) {
		printf("%s%s ", separator, name);
		print_value(stdout, value);
		separator = " ";
	}
	putchar('\n');
	return STATUS_DONE;
}

/* What can be read of the words, by the places that they stand at. */
static int pack_one(struct ctx *ctx, const struct change *change, void *arg)
{
	bool server = change->object == &server_object;
	bool route = change->object == &route_object;
	json_t *row, *options = json_object();
	size_t i = 1 + server;

	(void)ctx;
	row = json_pack("{s:s,s:s,s:s}", "change", verbs[change->step],
			"object", change->object->name,
			server ? "upstream" : route ? "listener" : "name",
			change->words[0]);
	if (server)
		json_object_set_new(row, "address",
				    json_string(change->words[1]));
	if (change->step == CHANGE_ADD_LISTENER)
		json_object_set_new(options, "address",
				    json_string(change->words[i++]));
	for (; i + 1 < change->n_words; i += 2)
		json_object_set_new(options, change->words[i],
				    json_string(change->words[i + 1]));
	json_object_set_new(row, "options", options);
	if (change->was)
		json_object_set(row, "was", change->was);
	json_array_append_new(arg, row);
	return STATUS_DONE;
}

int changes_show(const struct ctx *ctx, const struct changes *changes)
{
	struct ctx plain = ctx_plain(ctx);
	json_t *rows = json_array();
	int status;

	if (ctx->json) {
		walk(&plain, changes, pack_one, rows);
		status = print_rows(ctx, rows, NULL);
	} else {
		walk(&plain, changes, print_one, NULL);
		status = print_flush(ctx);
	}
	json_decref(rows);
	return status;
}

static int send_one(struct ctx *ctx, const struct change *change, void *arg)
{
	const struct command *command = cmd_find(change->object,
						 verbs[change->step]);
	struct request *req = request_new(command->cmd);
	struct args args = { .argc = change->n_words, .argv = change->words,
			     .from = change->from, .whole = &change->place,
			     .at = &ctx->place };
	int status;

	(void)arg;
	ctx->object = change->object->name;
	ctx->name = NULL;
	req->at = &ctx->place;
	status = command->build(ctx, &args, req);
	ctx->place = change->place;
	if (!status)
		status = nl_exchange(ctx, req, NULL, NULL);
	request_free(req);
	return status;
}

int changes_send(struct ctx *ctx, const struct changes *changes)
{
	int status = walk(ctx, changes, send_one, NULL);

	ctx->object = NULL;
	ctx->name = NULL;
	ctx->place = (struct place){};
	return status;
}
