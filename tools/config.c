// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration files. A file is turned into the words of the commands that
 * would make each object, each with the place it was read from, and the
 * commands themselves read those: so a file can say what they can, and is
 * refused for what they are refused for.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "cmd.h"
#include "print.h"
#include "request.h"
#include "view.h"
#include "yaml-file.h"

struct reader {
	struct ctx *ctx;
	yaml_document_t doc;
	struct config *config;
};

/* Reads one pair of a mapping. */
typedef int (*pair_fn)(struct reader *r, yaml_node_t *key, yaml_node_t *value,
		       void *arg);

static struct place place_of(const yaml_node_t *node)
{
	return (struct place){ node->start_mark.line + 1,
			       node->start_mark.column + 1 };
}

static void at(const struct reader *r, const yaml_node_t *node)
{
	r->ctx->place = place_of(node);
}

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

/* A word of a file; NULL for a list, a mapping, or text that is none. */
static const char *scalar(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE ||
	    strlen(text_of(node)) != node->data.scalar.length)
		return NULL;
	return text_of(node);
}

/* "servers:" with nothing behind it. */
static bool is_nothing(const yaml_node_t *node)
{
	const char *text = scalar(node);

	return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

static yaml_node_t *node(struct reader *r, int index)
{
	return yaml_document_get_node(&r->doc, index);
}

static int read_pair(struct reader *r, const yaml_node_pair_t *pair,
		     json_t *seen, pair_fn fn, void *arg)
{
	yaml_node_t *key = node(r, pair->key);
	const char *name = scalar(key);

	at(r, key);
	if (!name)
		return ctx_refuse(r->ctx, "a key must be a word");
	if (json_object_get(seen, name))
		return ctx_refuse(r->ctx, "\"%s\" is given twice", name);
	json_object_set_new(seen, name, json_true());
	return fn(r, key, node(r, pair->value), arg);
}

static int read_mapping(struct reader *r, yaml_node_t *mapping, pair_fn fn,
			void *arg)
{
	const struct ctx outside = *r->ctx;
	const yaml_node_pair_t *pair;
	int status = STATUS_DONE;
	json_t *seen;

	if (is_nothing(mapping))
		return STATUS_DONE;
	at(r, mapping);
	if (mapping->type == YAML_SCALAR_NODE)
		return ctx_refuse(r->ctx, "\"%s\" must be a mapping",
				  text_of(mapping));
	if (mapping->type != YAML_MAPPING_NODE)
		return ctx_refuse(r->ctx, "a list must be a mapping");
	seen = json_object();
	for (pair = mapping->data.mapping.pairs.start;
	     !status && pair < mapping->data.mapping.pairs.top; pair++) {
		status = read_pair(r, pair, seen, fn, arg);
		if (!status) {
			r->ctx->object = outside.object;
			r->ctx->name = outside.name;
		}
	}
	json_decref(seen);
	return status;
}

static void add_word(struct definition *d, char *text, struct origin from)
{
	d->words = xgrow(d->words, d->n_words + 1, sizeof(*d->words));
	d->from = xgrow(d->from, d->n_words + 1, sizeof(*d->from));
	d->words[d->n_words] = text;
	d->from[d->n_words++] = from;
}

static void add_scalar(struct definition *d, const yaml_node_t *word)
{
	add_word(d, xstrdup(text_of(word)),
		 (struct origin){ .place = place_of(word) });
}

/* The items with commas in between, as a command line has them. */
static char *join_items(struct reader *r, const yaml_node_t *list,
			struct place *places)
{
	const yaml_node_item_t *item;
	size_t size, i = 0;
	char *line = NULL;
	FILE *out;

	out = open_memstream(&line, &size);
	if (!out)
		alloc_failed();
	for (item = list->data.sequence.items.start;
	     item < list->data.sequence.items.top; item++, i++) {
		fprintf(out, "%s%s", i ? "," : "", text_of(node(r, *item)));
		places[i] = place_of(node(r, *item));
	}
	if (fclose(out))
		alloc_failed();
	return line;
}

static int check_items(struct reader *r, const yaml_node_t *list,
		       const char *what)
{
	const yaml_node_item_t *item;
	const char *text;

	for (item = list->data.sequence.items.start;
	     item < list->data.sequence.items.top; item++) {
		at(r, node(r, *item));
		text = scalar(node(r, *item));
		if (!text)
			return ctx_refuse(r->ctx, "\"%s\": an item must be a word",
					  what);
		if (strchr(text, ','))
			return ctx_refuse(r->ctx, "\"%s\": more than one item",
					  text);
	}
	return STATUS_DONE;
}

/* Make one word of a value, which may be a list. */
static int add_value(struct reader *r, struct definition *d, const char *what,
		     const yaml_node_t *value)
{
	struct place *places;
	size_t n;

	at(r, value);
	if (scalar(value)) {
		add_scalar(d, value);
		return STATUS_DONE;
	}
	if (value->type != YAML_SEQUENCE_NODE)
		return ctx_refuse(r->ctx, "\"%s\" must be a word or a list of words",
				  what);
	n = value->data.sequence.items.top - value->data.sequence.items.start;
	if (!n)
		return ctx_refuse(r->ctx, "\"%s\" must not be empty", what);
	if (check_items(r, value, what))
		return STATUS_USAGE;
	places = xgrow(NULL, n, sizeof(*places));
	add_word(d, join_items(r, value, places),
		 (struct origin){ .place = place_of(value), .items = places });
	return STATUS_DONE;
}

/**
 * struct partial - a definition that is being read
 * @d: the definition
 * @special: the key that is no option
 * @inner: another one, of a list of objects that belong to it, or NULL
 * @found: the value of @special, or NULL so far
 */
struct partial {
	struct definition *d;
	const char *special;
	const char *inner;
	yaml_node_t *found;
};

static int find_special(struct reader *r, yaml_node_t *key, yaml_node_t *value,
			void *arg)
{
	struct partial *partial = arg;

	(void)r;
	if (!strcmp(text_of(key), partial->special))
		partial->found = value;
	return STATUS_DONE;
}

static int add_option(struct reader *r, yaml_node_t *key, yaml_node_t *value,
		      void *arg)
{
	struct partial *partial = arg;

	if (!strcmp(text_of(key), partial->special) ||
	    (partial->inner && !strcmp(text_of(key), partial->inner)))
		return STATUS_DONE;
	add_scalar(partial->d, key);
	return add_value(r, partial->d, text_of(key), value);
}

static struct definition *definition_new(struct reader *r,
					 const struct object *object,
					 const yaml_node_t *begin)
{
	struct config *config = r->config;
	struct definition *d;

	config->list = xgrow(config->list, config->n + 1,
			     sizeof(*config->list));
	d = &config->list[config->n++];
	*d = (struct definition){ .object = object,
				  .place = place_of(begin) };
	r->ctx->object = object->name;
	r->ctx->name = NULL;
	return d;
}

static struct args args_of(struct ctx *ctx, const struct definition *d)
{
	return (struct args){ .argc = d->n_words, .argv = d->words,
			      .from = d->from, .whole = &d->place,
			      .at = &ctx->place };
}

static const struct view *view_of(const struct object *object)
{
	return cmd_find(object, "show")->view;
}

/* The kernel's answer would hold the attributes of the request. */
static json_t *decode_request(const struct ctx *ctx, const struct object *object,
			      const struct request *req)
{
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(req->msg));

	return view_of(object)->decode(ctx, genlmsg_attrdata(hdr, 0),
				       genlmsg_attrlen(hdr, 0));
}

static int definition_check(struct reader *r, struct definition *d)
{
	const struct command *add = cmd_find(d->object, "add");
	struct request *req = request_new(add->cmd);
	struct args args = args_of(r->ctx, d);
	int status;

	req->at = &r->ctx->place;
	status = add->build(r->ctx, &args, req);
	if (!status)
		status = args_end(r->ctx, &args);
	if (!status && req->full)
		status = ctx_refuse(r->ctx, "does not fit in one request");
	if (!status)
		d->row = decode_request(r->ctx, d->object, req);
	request_free(req);
	return status;
}

/* What a host name was resolved to is what is compared, and what is sent. */
static void use_address(struct definition *d, const char *key)
{
	free(d->words[1]);
	d->words[1] = config_text(json_object_get(d->row, key));
}

static int read_options(struct reader *r, struct definition *d,
			yaml_node_t *mapping, const char *special,
			const char *inner)
{
	struct partial partial = { .d = d, .special = special,
				   .inner = inner };
	int status;

	status = read_mapping(r, mapping, add_option, &partial);
	if (!status)
		status = definition_check(r, d);
	return status;
}

/* Find the one value that a definition needs and that is no option. */
static int find_key(struct reader *r, const struct definition *d,
		    yaml_node_t *mapping, const char *key, yaml_node_t **value)
{
	struct partial partial = { .special = key };
	int status;

	status = read_mapping(r, mapping, find_special, &partial);
	if (status)
		return status;
	r->ctx->place = d->place;
	*value = partial.found;
	if (!partial.found)
		return ctx_refuse(r->ctx, "\"%s\" is missing", key);
	return STATUS_DONE;
}

static int read_server(struct reader *r, const yaml_node_t *upstream,
		       yaml_node_t *mapping)
{
	yaml_node_t *address = NULL;
	struct definition *d;
	int status;

	d = definition_new(r, &server_object, mapping);
	status = find_key(r, d, mapping, "address", &address);
	if (status)
		return status;
	add_scalar(d, upstream);
	status = add_value(r, d, "address", address);
	if (!status)
		status = read_options(r, d, mapping, "address", NULL);
	if (!status)
		use_address(d, "address");
	return status;
}

/* The words of a route are what its command calls options, in any order. */
static int read_route(struct reader *r, const yaml_node_t *listener,
		      yaml_node_t *mapping)
{
	struct definition *d;

	d = definition_new(r, &route_object, mapping);
	add_scalar(d, listener);
	return read_options(r, d, mapping, "", NULL);
}

/* Reads an object that belongs to another one. */
typedef int (*inner_fn)(struct reader *r, const yaml_node_t *outer,
			yaml_node_t *mapping);

/* The list of those that belong to @outer, which is @key of @mapping. */
static int read_inner(struct reader *r, const yaml_node_t *outer,
		      yaml_node_t *mapping, const char *key, inner_fn fn)
{
	struct partial partial = { .special = key };
	const yaml_node_item_t *item;
	const yaml_node_t *list;
	int status;

	status = read_mapping(r, mapping, find_special, &partial);
	list = partial.found;
	if (status || !list || is_nothing(list))
		return status;
	at(r, list);
	if (list->type != YAML_SEQUENCE_NODE)
		return ctx_refuse(r->ctx, "\"%s\" must be a list", key);
	for (item = list->data.sequence.items.start;
	     !status && item < list->data.sequence.items.top; item++)
		status = fn(r, outer, node(r, *item));
	return status;
}

static int read_upstream(struct reader *r, yaml_node_t *key,
			 yaml_node_t *value, void *arg)
{
	struct definition *d;
	int status;

	(void)arg;
	d = definition_new(r, &upstream_object, key);
	r->ctx->name = text_of(key);
	add_scalar(d, key);
	status = read_options(r, d, value, "servers", NULL);
	if (!status)
		status = read_inner(r, key, value, "servers", read_server);
	return status;
}

static int read_listener(struct reader *r, yaml_node_t *key,
			 yaml_node_t *value, void *arg)
{
	yaml_node_t *listen = NULL;
	struct definition *d;
	int status;

	(void)arg;
	d = definition_new(r, &listener_object, key);
	r->ctx->name = text_of(key);
	add_scalar(d, key);
	status = find_key(r, d, value, "listen", &listen);
	if (!status)
		status = add_value(r, d, "listen", listen);
	if (!status)
		status = read_options(r, d, value, "listen", "routes");
	if (status)
		return status;
	use_address(d, "addresses");
	return read_inner(r, key, value, "routes", read_route);
}

static int read_section(struct reader *r, yaml_node_t *key, yaml_node_t *value,
			void *arg)
{
	const char *name = text_of(key);

	(void)arg;
	if (!strcmp(name, "upstreams"))
		return read_mapping(r, value, read_upstream, NULL);
	if (!strcmp(name, "listeners"))
		return read_mapping(r, value, read_listener, NULL);
	return ctx_refuse(r->ctx, "unknown section \"%s\", must be upstreams or listeners",
			  name);
}

const char *config_option(const struct definition *d, const char *name,
			  struct origin *from)
{
	size_t i;

	for (i = config_key_words(d->object); i + 1 < d->n_words; i += 2) {
		if (strcmp(d->words[i], name))
			continue;
		*from = d->from[i + 1];
		return d->words[i + 1];
	}
	return NULL;
}

size_t config_key_words(const struct object *object)
{
	/* A listener's addresses stand where a server's address does. */
	return object == &upstream_object || object == &route_object ? 1 : 2;
}

static const char *member(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

char *config_key(const struct object *object, const json_t *row)
{
	const char *outer = member(row, "name"), *inner = "";
	char *key;

	if (object == &server_object) {
		outer = member(row, "upstream");
		inner = member(row, "address");
	} else if (object == &route_object) {
		outer = member(row, "listener");
		inner = member(row, "sni");
	}
	if (asprintf(&key, "%s %s %s", object->name, outer, inner) < 0)
		alloc_failed();
	return key;
}

char *config_text(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out)
		alloc_failed();
	print_value(out, value);
	if (fclose(out))
		alloc_failed();
	return text;
}

/* Messages are about one word of @d, or one item of it. */
static void about(struct ctx *ctx, const struct definition *d,
		  const struct origin *from, size_t item)
{
	ctx->object = d->object->name;
	ctx->name = d->words[d->object == &server_object];
	ctx->place = from->items ? from->items[item] : from->place;
}

static int check_upstream(struct ctx *ctx, const struct definition *d,
			  const json_t *seen)
{
	struct origin from = {};
	const char *name = config_option(d, "upstream", &from);
	json_t *row = json_pack("{s:s}", "name", name);
	char *key = config_key(&upstream_object, row);
	bool known = json_object_get(seen, key);

	free(key);
	json_decref(row);
	about(ctx, d, &from, 0);
	if (!known)
		return ctx_refuse(ctx, "upstream %s: the file has no such upstream",
				  name);
	return STATUS_DONE;
}

/* No two listeners may have an address. @owners has theirs. */
static int check_addresses(struct ctx *ctx, const struct definition *d,
			   json_t *owners)
{
	const char *text, *owner;
	json_t *address;
	size_t i;

	json_array_foreach(json_object_get(d->row, "addresses"), i, address) {
		text = json_string_value(address);
		owner = json_string_value(json_object_get(owners, text));
		about(ctx, d, &d->from[1], i);
		if (owner)
			return ctx_refuse(ctx, "address %s: listener \"%s\" has it already",
					  text, owner);
		json_object_set_new(owners, text, json_string(d->words[0]));
	}
	return STATUS_DONE;
}

/* @counts has how many servers each upstream has. */
static int check_server(struct ctx *ctx, const struct definition *d,
			bool twice, json_t *counts)
{
	json_int_t n = json_integer_value(json_object_get(counts, d->words[0]));

	about(ctx, d, &d->from[1], 0);
	if (twice)
		return ctx_refuse(ctx, "upstream \"%s\" has it already",
				  d->words[0]);
	if (n >= KPROXY_SERVERS_MAX)
		return ctx_refuse(ctx, "upstream \"%s\" has %d servers, which is the most",
				  d->words[0], KPROXY_SERVERS_MAX);
	json_object_set_new(counts, d->words[0], json_integer(n + 1));
	return STATUS_DONE;
}

/* @counts has how many routes each listener has. */
static int check_route(struct ctx *ctx, const struct definition *d, bool twice,
		       json_t *counts)
{
	json_int_t n = json_integer_value(json_object_get(counts, d->words[0]));
	struct origin from = {};
	const char *sni = config_option(d, "sni", &from);

	about(ctx, d, &from, 0);
	if (twice)
		return ctx_refuse(ctx, "sni %s: the listener has a route for it already",
				  sni);
	if (n >= KPROXY_ROUTES_MAX)
		return ctx_refuse(ctx, "sni %s: the listener has %d routes, which is the most",
				  sni, KPROXY_ROUTES_MAX);
	json_object_set_new(counts, d->words[0], json_integer(n + 1));
	return STATUS_DONE;
}

/**
 * struct beside - what was seen so far of a file
 * @keys: of all objects
 * @owners: listeners, by address
 * @counts: of servers, by upstream
 * @routes: how many, by listener
 */
struct beside {
	json_t *keys;
	json_t *owners;
	json_t *counts;
	json_t *routes;
};

static int check_beside(struct ctx *ctx, const struct definition *d,
			struct beside *beside)
{
	char *key = config_key(d->object, d->row);
	bool twice = json_object_get(beside->keys, key);

	json_object_set_new(beside->keys, key, json_true());
	free(key);
	if (d->object == &server_object)
		return check_server(ctx, d, twice, beside->counts);
	if (d->object == &route_object)
		return check_route(ctx, d, twice, beside->routes);
	if (d->object == &listener_object)
		return check_addresses(ctx, d, beside->owners);
	return STATUS_DONE;
}

/* What makes definitions wrong that are right by themselves. */
static int check_all(struct ctx *ctx, const struct config *config)
{
	struct beside beside = {
		json_object(), json_object(), json_object(), json_object()
	};
	int status = STATUS_DONE;
	size_t i;

	for (i = 0; !status && i < config->n; i++)
		status = check_beside(ctx, &config->list[i], &beside);
	for (i = 0; !status && i < config->n; i++)
		if (config->list[i].object == &listener_object ||
		    config->list[i].object == &route_object)
			status = check_upstream(ctx, &config->list[i],
						beside.keys);
	json_decref(beside.keys);
	json_decref(beside.owners);
	json_decref(beside.counts);
	json_decref(beside.routes);
	return status;
}

int config_read(struct ctx *ctx, const char *path, struct config *config)
{
	struct reader r = { .ctx = ctx, .config = config };
	int status;

	*config = (struct config){};
	ctx->file = path;
	ctx->object = NULL;
	ctx->name = NULL;
	status = yaml_file_read(ctx, &r.doc);
	if (status)
		return status;
	status = read_mapping(&r, yaml_document_get_root_node(&r.doc),
			      read_section, NULL);
	ctx->name = NULL;
	yaml_document_delete(&r.doc);
	if (!status)
		status = check_all(ctx, config);
	ctx->object = NULL;
	ctx->name = NULL;
	ctx->place = (struct place){};
	return status;
}

static void definition_free(struct definition *d)
{
	size_t i;

	for (i = 0; i < d->n_words; i++) {
		free(d->words[i]);
		free((void *)d->from[i].items);
	}
	free(d->words);
	free(d->from);
	json_decref(d->row);
}

void config_free(struct config *config)
{
	size_t i;

	for (i = 0; i < config->n; i++)
		definition_free(&config->list[i]);
	free(config->list);
}
