// SPDX-License-Identifier: GPL-2.0
/* Two sockets that the command has inherited, spliced until they end. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/kproxy.h>
#include <linux/kproxy_splice.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "nl.h"
#include "print.h"
#include "reason.h"
#include "request.h"
#include "token.h"

static int parse_fd(const struct ctx *ctx, struct args *args,
		    struct request *req, uint16_t attr)
{
	const char *word = args_next(args), *why;
	uint64_t fd;

	if (!word)
		return ctx_refuse(ctx, "FD is missing, try \"kproxy splice help\"");
	why = token_number(word, &fd);
	if (!why && fd > INT32_MAX)
		why = "must be a descriptor";
	if (why)
		return ctx_refuse(ctx, "\"%s\": %s", word, why);
	request_u32(req, attr, "descriptor", word, fd);
	return STATUS_DONE;
}

/* N[,N]: from the first descriptor, and from the second. */
static int parse_bytes(const struct ctx *ctx, struct request *req,
		       const char *word)
{
	static const uint16_t attrs[] = {
		KPROXY_A_SPLICE_BYTES_A, KPROXY_A_SPLICE_BYTES_B,
	};
	const char *comma = strchr(word, ','), *why = NULL;
	char first[32];
	uint64_t bytes[2] = {};
	int i;

	snprintf(first, sizeof(first), "%.*s",
		 comma ? (int)(comma - word) : (int)strlen(word), word);
	why = token_number(first, &bytes[0]);
	if (!why && comma)
		why = token_number(comma + 1, &bytes[1]);
	if (why)
		return ctx_refuse(ctx, "bytes \"%s\": %s", word, why);
	for (i = 0; i < 2; i++)
		request_u64(req, attrs[i], "bytes", word, bytes[i]);
	return STATUS_DONE;
}

static int parse_idle(const struct ctx *ctx, struct request *req,
		      const char *word)
{
	uint64_t ms;
	const char *why = token_time(word, &ms);

	if (!why && ms > KPROXY_TIME_MAX)
		why = "must be at most 7 days";
	if (why)
		return ctx_refuse(ctx, "idle-timeout \"%s\": %s", word, why);
	request_u32(req, KPROXY_A_SPLICE_IDLE_TIMEOUT, "idle-timeout", word,
		    ms);
	return STATUS_DONE;
}

static int parse_label(const struct ctx *ctx, struct request *req,
		       const char *word)
{
	if (!*word || strlen(word) > KPROXY_NAME_MAX)
		return ctx_refuse(ctx, "label \"%s\": must have 1 to %d characters",
				  word, KPROXY_NAME_MAX);
	request_string(req, KPROXY_A_SPLICE_LABEL, "label", word);
	return STATUS_DONE;
}

static int parse_option(const struct ctx *ctx, struct args *args,
			struct request *req, const char *option)
{
	static const struct {
		const char *name;
		int (*parse)(const struct ctx *ctx, struct request *req,
			     const char *word);
	} options[] = {
		{ "label", parse_label },
		{ "bytes", parse_bytes },
		{ "idle-timeout", parse_idle },
	};
	const char *word;
	size_t i;

	if (!strcmp(option, "detach")) {
		request_u32(req, KPROXY_A_SPLICE_FLAGS, "option", option,
			    KPROXY_SPLICE_FLAG_DETACH);
		return STATUS_DONE;
	}
	for (i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (strcmp(option, options[i].name))
			continue;
		word = args_next(args);
		if (!word)
			return ctx_refuse(ctx, "%s: value is missing", option);
		return options[i].parse(ctx, req, word);
	}
	return ctx_refuse(ctx, "unknown option \"%s\", try \"kproxy splice help\"",
			  option);
}

static int build(const struct ctx *ctx, struct args *args, struct request *req)
{
	const char *option;
	int status;

	status = parse_fd(ctx, args, req, KPROXY_A_SPLICE_A);
	if (!status)
		status = parse_fd(ctx, args, req, KPROXY_A_SPLICE_B);
	while (!status && (option = args_next(args)))
		status = parse_option(ctx, args, req, option);
	return status;
}

static void get_fd(const struct nlattr *head, int len, void *arg)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	int *fd = arg;

	fields_parse(tb, head, len);
	if (tb[KPROXY_A_SPLICE_FD])
		*fd = field_get_uint(tb[KPROXY_A_SPLICE_FD]);
}

static int wait_report(const struct ctx *ctx, int fd,
		       struct kproxy_splice_report *report)
{
	ssize_t len;

	memset(report, 0, sizeof(*report));
	do
		len = recv(fd, report, sizeof(*report), 0);
	while (len < 0 && errno == EINTR);
	if (len > 0)
		return STATUS_DONE;
	return ctx_fail(ctx, STATUS_KERNEL, "ended without a result: %s",
			len ? strerror(errno) : "no memory");
}

static int print_report(const struct ctx *ctx,
			const struct kproxy_splice_report *report)
{
	json_t *row = json_pack("{s:[I, I], s:I, s:I, s:o, s:I}",
				"bytes", (json_int_t)report->bytes[0],
				(json_int_t)report->bytes[1],
				"spliced", (json_int_t)report->spliced,
				"copied", (json_int_t)report->copied,
				"reason", reason_json(report->reason),
				"eof", (json_int_t)report->eof);

	if (ctx->json)
		print_json(ctx, row);
	else
		printf("%" PRIu64 " bytes from the first, %" PRIu64
		       " from the second; %" PRIu64 " spliced, %" PRIu64
		       " copied; %s\n", (uint64_t)report->bytes[0],
		       (uint64_t)report->bytes[1], (uint64_t)report->spliced,
		       (uint64_t)report->copied,
		       json_string_value(json_object_get(row, "reason")));
	json_decref(row);
	return print_flush(ctx);
}

static int splice_run(struct ctx *ctx, struct args *args)
{
	struct request *req = request_new(KPROXY_CMD_SPLICE);
	struct kproxy_splice_report report;
	int status, fd = -1;

	/* The command's own sockets come after the words were understood. */
	status = build(ctx, args, req);
	if (!status)
		status = nl_open(ctx);
	if (!status)
		status = nl_exchange(ctx, req, get_fd, &fd);
	request_free(req);
	if (status)
		return status;
	status = wait_report(ctx, fd, &report);
	close(fd);
	return status ? status : print_report(ctx, &report);
}

const struct object splice_object = {
	.name = "splice",
	.usage = "  kproxy splice FD FD [label NAME] [bytes N[,N]] [idle-timeout T] [detach]\n",
	.run = splice_run,
};
