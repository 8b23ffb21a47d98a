// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of servers as commands, whose words are read as those of a person are,
 * and which take effect in one transaction.
 */
#include <stdlib.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "nl.h"
#include "request.h"
#include "resolver.h"

struct request *resolver_request(struct ctx *ctx, const char *verb,
				 const json_t *words, int *status)
{
	const struct command *command = cmd_find(&server_object, verb);
	struct request *req = request_new(command->cmd);
	size_t n = json_array_size(words), i;
	char **list = xgrow(NULL, n, sizeof(*list));
	struct args args = { .argc = n, .argv = list };

	for (i = 0; i < n; i++)
		list[i] = (char *)json_string_value(json_array_get(words, i));
	ctx->object = server_object.name;
	ctx->name = NULL;
	*status = command->build(ctx, &args, req);
	if (!*status)
		*status = args_end(ctx, &args);
	free(list);
	return req;
}

static int exchange(struct ctx *ctx, uint8_t cmd)
{
	struct request *req = request_new(cmd);
	int status;

	ctx->object = NULL;
	ctx->name = NULL;
	status = nl_exchange(ctx, req, NULL, NULL);
	request_free(req);
	return status;
}

static int run_commands(struct ctx *ctx, const json_t *commands)
{
	int status = STATUS_DONE;
	struct request *req;
	const char *verb;
	json_t *command;
	size_t i;

	json_array_foreach(commands, i, command) {
		verb = json_string_value(json_array_get(command, 0));
		req = resolver_request(ctx, verb, json_array_get(command, 1),
				       &status);
		if (!status)
			status = nl_exchange(ctx, req, NULL, NULL);
		request_free(req);
		if (status)
			break;
	}
	return status;
}

int resolver_commit(struct ctx *ctx, const json_t *commands)
{
	int status = exchange(ctx, KPROXY_CMD_TRANSACTION_BEGIN);

	if (status)
		return status;
	status = run_commands(ctx, commands);
	if (!status)
		return exchange(ctx, KPROXY_CMD_TRANSACTION_COMMIT);
	exchange(ctx, KPROXY_CMD_TRANSACTION_ABORT);
	return status;
}
