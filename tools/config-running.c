// SPDX-License-Identifier: GPL-2.0
#include "config-running.h"

#include <stdbool.h>

#include "cmd.h"
#include "config.h"
#include "ctx.h"
#include "view.h"

json_t *running_rows(const json_t *running, const struct object *object)
{
	return json_object_get(running, object->form->section);
}

static int load(struct ctx *ctx, const struct object *object, json_t *running)
{
	const struct form *form = object->form;
	json_t *rows;
	int status;

	/* Servers are shown with their upstreams, and are there already. */
	if (form->outer && form->outer->form->view->join)
		return STATUS_DONE;
	rows = json_array();
	status = view_rows(ctx, form->view, rows);
	if (form->section)
		json_object_set(running, form->section, rows);
	else if (!status)
		view_nest(running_rows(running, form->outer), form->list, rows,
			  form->outer_key);
	json_decref(rows);
	return status;
}

int running_load(struct ctx *ctx, json_t **running)
{
	const struct object *const *object;
	bool stats = ctx->stats;
	int status = STATUS_DONE;

	*running = json_object();
	ctx->stats = false;
	for (object = config_objects; !status && *object; object++)
		status = load(ctx, *object, *running);
	ctx->stats = stats;
	return status;
}
