// SPDX-License-Identifier: GPL-2.0
#include "config-apply.h"

#include <stdio.h>

#include <linux/kproxy.h>

#include "cmd.h"
#include "config.h"
#include "config-diff.h"
#include "config-running.h"
#include "names.h"
#include "nl.h"
#include "print.h"
#include "request.h"
#include "text.h"

static int exchange(struct ctx *ctx, uint8_t cmd)
{
	struct request *req = request_new(cmd);
	int status = nl_exchange(ctx, req, NULL, NULL);

	request_free(req);
	return status;
}

static int find(struct ctx *ctx, const struct config *config,
		const json_t *followed, struct changes *changes)
{
	json_t *running;
	int status;

	*changes = (struct changes){};
	status = running_load(ctx, &running);
	if (!status)
		changes_find(ctx, changes, config, running, followed);
	json_decref(running);
	return status;
}

static const char *member(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* Those of the file, with the servers that they have so far. */
static json_t *names_wanted(const struct config *config,
			    const struct names *names)
{
	json_t *wanted = json_array(), *row, *have, *copy;
	size_t i;

	json_array_foreach(config->names, i, row) {
		have = names_find(names, member(row, "upstream"),
				  member(row, "name"));
		copy = json_copy(row);
		if (have)
			json_object_set(copy, "servers",
					json_object_get(have, "servers"));
		json_array_append_new(wanted, copy);
	}
	return wanted;
}

/* A server that the file has by its address is no longer of a name. */
static void disown(json_t *wanted, const struct config *config)
{
	const struct definition *d;
	const char *address;
	json_t *row;
	size_t i, k;

	for (i = 0; i < config->n; i++) {
		d = &config->list[i];
		address = member(d->row, "address");
		json_array_foreach(wanted, k, row)
			if (d->object->form->followed &&
			    names_owns(row, d->words[0], address))
				json_object_del(json_object_get(row, "servers"),
						address);
	}
}

static int keep_names(struct ctx *ctx, struct names *names, json_t *wanted,
		      const struct config *config)
{
	if (names->lock < 0)
		return STATUS_DONE;
	disown(wanted, config);
	json_decref(names->rows);
	names->rows = json_incref(wanted);
	return names_save(ctx, names);
}

static int send_one(struct ctx *ctx, const struct change *change, void *arg)
{
	const struct command *command = cmd_find(change->object,
						 change_verbs[change->verb]);
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

static int send_all(struct ctx *ctx, const struct changes *changes)
{
	int status = changes_walk(ctx, changes, send_one, NULL);

	ctx->object = NULL;
	ctx->name = NULL;
	ctx->place = (struct place){};
	return status;
}

/* In a transaction; the kernel also drops what was staged when our socket closes. */
static int apply(struct ctx *ctx, const struct config *config,
		 const json_t *followed)
{
	struct changes changes;
	int status;

	status = find(ctx, config, followed, &changes);
	if (!status)
		status = send_all(ctx, &changes);
	if (!status)
		status = exchange(ctx, changes.n ? KPROXY_CMD_TRANSACTION_COMMIT :
						   KPROXY_CMD_TRANSACTION_ABORT);
	else
		exchange(ctx, KPROXY_CMD_TRANSACTION_ABORT);
	changes_free(&changes);
	return status;
}

/* While the list of names is locked, nothing else adds servers of a name. */
int config_apply(struct ctx *ctx, const struct config *config)
{
	size_t n = json_array_size(config->names);
	struct names names;
	json_t *wanted;
	int status;

	/* Callers who may not change anything change no list either. */
	status = exchange(ctx, KPROXY_CMD_TRANSACTION_BEGIN);
	if (status)
		return status;
	status = names_open(ctx, &names, n);
	wanted = names_wanted(config, &names);
	if (status)
		exchange(ctx, KPROXY_CMD_TRANSACTION_ABORT);
	else
		status = apply(ctx, config, wanted);
	if (!status)
		status = keep_names(ctx, &names, wanted, config);
	names_close(&names);
	json_decref(wanted);
	if (!status && n)
		names_warn(ctx);
	return status;
}

static int print_one(struct ctx *ctx, const struct change *change, void *arg)
{
	const char *name, *separator = "  # was ";
	json_t *value;
	size_t i;

	(void)ctx;
	(void)arg;
	printf("%s %s", change->object->name, change_verbs[change->verb]);
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

/* The words by their names; those of struct form come first. */
static int pack_one(struct ctx *ctx, const struct change *change, void *arg)
{
	const struct form *form = change->object->form;
	size_t i = config_name_words(change->object);
	json_t *row, *options = json_object();

	(void)ctx;
	row = json_pack("{s:s,s:s,s:s}", "change", change_verbs[change->verb],
			"object", change->object->name,
			form->outer ? form->outer_key : form->key,
			change->words[0]);
	if (i > 1)
		json_object_set_new(row, form->key,
				    json_string(change->words[1]));
	else if (change->verb == CHANGE_ADD && form->operand)
		json_object_set_new(options, form->operand,
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

static int print_all(const struct ctx *ctx, const struct changes *changes)
{
	struct ctx plain = ctx_plain(ctx);
	json_t *rows = json_array();
	int status;

	if (ctx->json) {
		changes_walk(&plain, changes, pack_one, rows);
		status = print_rows(ctx, rows, NULL);
	} else {
		changes_walk(&plain, changes, print_one, NULL);
		status = print_flush(ctx);
	}
	json_decref(rows);
	return status;
}

int config_preview(struct ctx *ctx, const struct config *config)
{
	struct names names = { .rows = names_read(ctx) };
	json_t *wanted = names_wanted(config, &names);
	struct changes changes;
	int status;

	status = find(ctx, config, wanted, &changes);
	if (!status)
		status = print_all(ctx, &changes);
	changes_free(&changes);
	json_decref(wanted);
	json_decref(names.rows);
	return status;
}
