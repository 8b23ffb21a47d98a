// SPDX-License-Identifier: GPL-2.0
/*
 * A configuration file becomes the words of the commands that would add each
 * object, with the place of each word. The commands then parse these words, so
 * that a file can say what a command line can, and both refuse the same.
 */
#include "config-read.h"

#include <stdlib.h>
#include <string.h>

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "cmd.h"
#include "config.h"
#include "config-check.h"
#include "names.h"
#include "option.h"
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

/* A word of a file; NULL for a list, a mapping, or text with a zero byte. */
static const char *scalar(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE ||
	    strlen(text_of(node)) != node->data.scalar.length)
		return NULL;
	return text_of(node);
}

/* An empty value, as in "servers:" alone. */
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

	out = xopen(&line, &size);
	for (item = list->data.sequence.items.start;
	     item < list->data.sequence.items.top; item++, i++) {
		fprintf(out, "%s%s", i ? "," : "", text_of(node(r, *item)));
		places[i] = place_of(node(r, *item));
	}
	xclose(out);
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
	return d;
}

static struct args args_of(struct ctx *ctx, const struct definition *d)
{
	return (struct args){ .argc = d->n_words, .argv = d->words,
			      .from = d->from, .whole = &d->place,
			      .at = &ctx->place };
}

/* The kernel's reply has the same attributes as the request. */
static json_t *decode_request(const struct ctx *ctx, const struct object *object,
			      const struct request *req)
{
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(req->msg));

	return object->form->view->decode(ctx, genlmsg_attrdata(hdr, 0),
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

/* A file may have a host name; what is compared and sent is its address. */
static void use_operand(struct definition *d)
{
	const char *key = d->object->form->operand_key;

	free(d->words[1]);
	d->words[1] = config_text(json_object_get(d->row, key));
}

/* Neither the operand nor a list of inner objects. */
static bool is_option(const struct object *object, const char *key)
{
	const char *operand = object->form->operand;
	const struct object *inner = NULL;

	while ((inner = config_next_inner(object, inner)))
		if (!strcmp(key, inner->form->list))
			return false;
	return !operand || strcmp(key, operand);
}

/* The last two words are an option and its value. */
static void use_boolean(struct definition *d)
{
	char **value = &d->words[d->n_words - 1];
	const char *word = option_boolean(d->object->options, value[-1],
					  *value);

	if (word == *value)
		return;
	free(*value);
	*value = xstrdup(word);
}

static int add_option(struct reader *r, yaml_node_t *key, yaml_node_t *value,
		      void *arg)
{
	struct definition *d = arg;
	int status;

	if (!is_option(d->object, text_of(key)))
		return STATUS_DONE;
	add_scalar(d, key);
	status = add_value(r, d, text_of(key), value);
	if (!status)
		use_boolean(d);
	return status;
}

/* A key of a mapping, and its value or NULL so far. */
struct wanted {
	const char *key;
	yaml_node_t *value;
};

static int find_wanted(struct reader *r, yaml_node_t *key, yaml_node_t *value,
		       void *arg)
{
	struct wanted *wanted = arg;

	(void)r;
	if (!strcmp(text_of(key), wanted->key))
		wanted->value = value;
	return STATUS_DONE;
}

static int add_operand(struct reader *r, struct definition *d,
		       yaml_node_t *mapping)
{
	struct wanted wanted = { .key = d->object->form->operand };
	int status;

	if (!wanted.key)
		return STATUS_DONE;
	status = read_mapping(r, mapping, find_wanted, &wanted);
	if (status)
		return status;
	r->ctx->place = d->place;
	if (!wanted.value)
		return ctx_refuse(r->ctx, "\"%s\" is missing", wanted.key);
	return add_value(r, d, wanted.key, wanted.value);
}

/* An option of a name; "resolve" is always on. */
static int add_name_option(struct reader *r, yaml_node_t *key,
			   yaml_node_t *value, void *arg)
{
	const struct definition *d = arg;

	if (!strcmp(text_of(key), d->object->form->followed))
		return STATUS_DONE;
	if (strcmp(text_of(key), "resolve"))
		return add_option(r, key, value, arg);
	at(r, value);
	if (!scalar(value) ||
	    strcmp(option_boolean(option_resolve, "resolve",
				  scalar(value)), "on"))
		return ctx_refuse(r->ctx, "resolve: must be on for a name");
	return STATUS_DONE;
}

static bool is_followed(const struct config *config, const char *upstream,
			const char *name)
{
	const struct names names = { .rows = config->names };

	return names_find(&names, upstream, name);
}

static int check_name(struct reader *r, const struct definition *d,
		      const yaml_node_t *value)
{
	const char *text = scalar(value), *why;
	char host[NAME_TEXT_MAX];
	uint16_t port;

	at(r, value);
	if (!text)
		return ctx_refuse(r->ctx, "\"%s\" must be a word",
				  d->object->form->followed);
	r->ctx->name = text;
	why = names_parse(text, host, &port);
	if (why)
		return ctx_refuse(r->ctx, "%s", why);
	if (is_followed(r->config, d->words[0], text))
		return ctx_refuse(r->ctx, "upstream \"%s\" has it already",
				  d->words[0]);
	return STATUS_DONE;
}

static json_t *options_of(const struct definition *d)
{
	json_t *options = json_object();
	size_t i;

	for (i = config_operands(d->object); i + 1 < d->n_words; i += 2)
		json_object_set_new(options, d->words[i],
				    json_string(d->words[i + 1]));
	return options;
}

/* Options are those of an address, and read with one that is never used. */
static int read_name(struct reader *r, const struct object *object,
		     const yaml_node_t *outer, const yaml_node_t *name,
		     yaml_node_t *mapping)
{
	struct definition d = { .object = object, .place = place_of(mapping) };
	json_t *options;
	int status;

	add_scalar(&d, outer);
	status = check_name(r, &d, name);
	add_word(&d, xstrdup(NAMES_ANY_ADDRESS),
		 (struct origin){ .place = place_of(name) });
	if (!status)
		status = read_mapping(r, mapping, add_name_option, &d);
	r->ctx->alias = scalar(name);
	if (!status)
		status = definition_check(r, &d);
	r->ctx->alias = NULL;
	if (!status) {
		options = options_of(&d);
		json_array_append_new(r->config->names,
				      names_row(d.words[0], text_of(name),
						options));
		json_decref(options);
	}
	definition_free(&d);
	return status;
}

/* The name of a mapping that has no operand, or NULL. */
static int find_name(struct reader *r, const struct object *object,
		     yaml_node_t *mapping, yaml_node_t **name)
{
	struct wanted operand = { .key = object->form->operand };
	struct wanted followed = { .key = object->form->followed };
	int status = STATUS_DONE;

	if (followed.key && mapping->type == YAML_MAPPING_NODE) {
		status = read_mapping(r, mapping, find_wanted, &operand);
		if (!status)
			status = read_mapping(r, mapping, find_wanted,
					      &followed);
	}
	*name = operand.value ? NULL : followed.value;
	return status;
}

static int read_inner(struct reader *r, const struct object *object,
		      const yaml_node_t *outer, yaml_node_t *mapping);

/*
 * @name is that of the object, or that of its outer one. The definition begins
 * at @begin.
 */
static int read_object(struct reader *r, const struct object *object,
		       const yaml_node_t *name, const yaml_node_t *begin,
		       yaml_node_t *mapping)
{
	const struct object *inner = NULL;
	struct definition *d;
	yaml_node_t *followed;
	int status;

	r->ctx->object = object->name;
	r->ctx->name = NULL;
	status = find_name(r, object, mapping, &followed);
	if (status)
		return status;
	if (followed)
		return read_name(r, object, name, followed, mapping);
	d = definition_new(r, object, begin);
	if (object->form->section)
		r->ctx->name = text_of(name);
	add_scalar(d, name);
	status = add_operand(r, d, mapping);
	if (!status)
		status = read_mapping(r, mapping, add_option, d);
	if (!status)
		status = definition_check(r, d);
	if (!status && object->form->operand)
		use_operand(d);
	/* Those move the list that has @d. */
	while (!status && (inner = config_next_inner(object, inner)))
		status = read_inner(r, inner, name, mapping);
	return status;
}

/* The list of those that belong to @outer, which has @mapping. */
static int read_inner(struct reader *r, const struct object *object,
		      const yaml_node_t *outer, yaml_node_t *mapping)
{
	struct wanted wanted = { .key = object->form->list };
	const yaml_node_item_t *item;
	const yaml_node_t *list;
	int status;

	status = read_mapping(r, mapping, find_wanted, &wanted);
	list = wanted.value;
	if (status || !list || is_nothing(list))
		return status;
	at(r, list);
	if (list->type != YAML_SEQUENCE_NODE)
		return ctx_refuse(r->ctx, "\"%s\" must be a list", wanted.key);
	for (item = list->data.sequence.items.start;
	     !status && item < list->data.sequence.items.top; item++)
		status = read_object(r, object, outer, node(r, *item),
				     node(r, *item));
	return status;
}

static int read_named(struct reader *r, yaml_node_t *key, yaml_node_t *value,
		      void *arg)
{
	return read_object(r, arg, key, key, value);
}

static int refuse_section(const struct reader *r, const char *name)
{
	const struct object *const *object;
	char names[128] = "";
	size_t len = 0;

	for (object = config_objects; *object; object++)
		if ((*object)->form->section && len < sizeof(names))
			len += snprintf(names + len, sizeof(names) - len,
					"%s%s", len ? " or " : "",
					(*object)->form->section);
	return ctx_refuse(r->ctx, "unknown section \"%s\", must be %s", name,
			  names);
}

static int read_section(struct reader *r, yaml_node_t *key, yaml_node_t *value,
			void *arg)
{
	const struct object *const *object;
	const char *section;

	(void)arg;
	for (object = config_objects; *object; object++) {
		section = (*object)->form->section;
		if (section && !strcmp(section, text_of(key)))
			return read_mapping(r, value, read_named,
					    (void *)*object);
	}
	return refuse_section(r, text_of(key));
}

int config_read(struct ctx *ctx, const char *path, struct config *config)
{
	struct reader r = { .ctx = ctx, .config = config };
	int status;

	*config = (struct config){ .names = json_array() };
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
		status = config_check(ctx, config);
	ctx->object = NULL;
	ctx->name = NULL;
	ctx->place = (struct place){};
	return status;
}
