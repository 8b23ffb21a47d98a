// SPDX-License-Identifier: GPL-2.0
#include "config-apply.h"

#include <stdio.h>

#include <linux/kproxy.h>

#include "cmd.h"
#include "config.h"
#include "config-diff.h"
#include "config-running.h"
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
		struct changes *changes)
{
	json_t *running;
	int status;

	*changes = (struct changes){};
	status = running_load(ctx, &running);
	if (!status)
		changes_find(ctx, changes, config, running);
	json_decref(running);
	return status;
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

/* The kernel also drops what was staged when our socket closes. */
int config_apply(struct ctx *ctx, const struct config *config)
{
	struct changes changes;
	int status;

	status = exchange(ctx, KPROXY_CMD_TRANSACTION_BEGIN);
	if (status)
		return status;
	status = find(ctx, config, &changes);
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
	struct changes changes;
	int status;

	status = find(ctx, config, &changes);
	if (!status)
		status = print_all(ctx, &changes);
	changes_free(&changes);
	return status;
}
