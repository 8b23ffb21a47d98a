// SPDX-License-Identifier: GPL-2.0
/* The finished sessions that the kernel remembers, and those that follow. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "journal.h"
#include "nl.h"
#include "print.h"
#include "reason.h"
#include "request.h"
#include "ring.h"
#include "signals.h"
#include "text.h"

/* Where records go. */
enum target {
	TARGET_ARRAY,
	TARGET_LINES,
	TARGET_JOURNAL,
};

/* How often to look for more, in milliseconds. */
#define INTERVAL 100

static json_t *endpoint_json(const struct ctx *ctx,
			     const struct kproxy_log_endpoint *from)
{
	struct endpoint ep = { .family = AF_INET6, .port = from->port,
			       .scope = from->scope };
	char text[ENDPOINT_TEXT_MAX];

	/* The session ended before it had a server. */
	if (!from->port)
		return json_string("");
	memcpy(&ep.v6, from->addr, sizeof(ep.v6));
	endpoint_unmap(&ep);
	endpoint_format(ctx->ifd, &ep, text);
	return json_string(text);
}

static json_t *name_json(const char *name, size_t size)
{
	return text_json(name, strnlen(name, size));
}

static bool is_splice(const struct kproxy_log_record *record)
{
	return record->flags & KPROXY_LOG_SPLICE;
}

static json_t *decode_all(const struct ctx *ctx,
			  const struct kproxy_log_record *record)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
			 "id", (json_int_t)record->id,
			 "listener", name_json(record->listener, sizeof(record->listener)),
			 "upstream",
			 is_splice(record) ? json_string("-") :
					     name_json(record->upstream, sizeof(record->upstream)),
			 "client", endpoint_json(ctx, &record->client),
			 "server", endpoint_json(ctx, &record->server),
			 "start_ms", (json_int_t)record->start_ms,
			 "duration_ms", (json_int_t)record->duration_us / 1000,
			 "connect_us", (json_int_t)record->connect_us,
			 "bytes_in", (json_int_t)record->bytes_in,
			 "bytes_out", (json_int_t)record->bytes_out,
			 "stall_client_us",
			 (json_int_t)record->stall_client_us,
			 "stall_server_us",
			 (json_int_t)record->stall_server_us,
			 "unacked_in", (json_int_t)record->unacked_in,
			 "unacked_out", (json_int_t)record->unacked_out,
			 "omitted", (json_int_t)record->omitted,
			 "sni", name_json(record->sni, sizeof(record->sni)),
			 "server_name", name_json(record->server_name, sizeof(record->server_name)),
			 "reason", reason_json(record->reason));
}

static json_t *decode(const struct ctx *ctx,
		      const struct kproxy_log_record *record)
{
	json_t *row = decode_all(ctx, record);

	if (is_splice(record))
		json_object_set_new(row, "label",
				    name_json(record->upstream, sizeof(record->upstream)));
	return row;
}

static void print_text(const struct kproxy_log_record *record, json_t *row)
{
	char text[sizeof("2026-01-01T23:59:59")];
	time_t seconds = record->start_ms / 1000;
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%FT%T", &tm);
	printf("%s.%03u", text, (unsigned int)(record->start_ms % 1000));
	json_object_del(row, "start_ms");
	print_pairs(row);
}

/* Print one line: text, or with -j an object. */
static void print_record(const struct ctx *ctx,
			 const struct kproxy_log_record *record)
{
	json_t *row = decode(ctx, record);

	if (ctx->json)
		print_json(ctx, row);
	else
		print_text(record, row);
	json_decref(row);
}

static int print_array(const struct ctx *ctx,
		       const struct kproxy_log_record *records, size_t n)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(rows, decode(ctx, &records[i]));
	print_json(ctx, rows);
	json_decref(rows);
	return print_flush(ctx);
}

static int print_lines(const struct ctx *ctx,
		       const struct kproxy_log_record *records, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		print_record(ctx, &records[i]);
	return print_flush(ctx);
}

static const char *string_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* What a reader of the journal sees of a session. */
static char *message_of(const json_t *row)
{
	const char *server = string_of(row, "server");
	char *text;

	if (asprintf(&text, "%s: %s to %s, %s after %" JSON_INTEGER_FORMAT
		     " ms, %" JSON_INTEGER_FORMAT " bytes in, %"
		     JSON_INTEGER_FORMAT " out", string_of(row, "listener"),
		     string_of(row, "client"), *server ? server : "no server",
		     string_of(row, "reason"),
		     print_number(row, "duration_ms"),
		     print_number(row, "bytes_in"),
		     print_number(row, "bytes_out")) < 0)
		alloc_failed();
	return text;
}

static int journal_status(const struct ctx *ctx, int err)
{
	return err ? ctx_fail(ctx, STATUS_KERNEL, "cannot write to the journal: %s",
			      strerror(err)) : STATUS_DONE;
}

static int send_lost(const struct ctx *ctx, uint64_t lost, const char *why)
{
	json_t *row = json_pack("{s:I}", "lost", (json_int_t)lost);
	int err = journal_send(JOURNAL_WARNING, why, row);

	json_decref(row);
	return journal_status(ctx, err);
}

static int send_record(const struct ctx *ctx,
		       const struct kproxy_log_record *record)
{
	json_t *row = decode(ctx, record);
	char *message = message_of(row);
	int err = journal_send(JOURNAL_INFO, message, row);

	free(message);
	json_decref(row);
	return journal_status(ctx, err);
}

static int send_records(const struct ctx *ctx,
			const struct kproxy_log_record *records, size_t n)
{
	int status = STATUS_DONE;
	size_t i;

	for (i = 0; i < n && !status; i++)
		status = send_record(ctx, &records[i]);
	return status;
}

static int report_lost(const struct ctx *ctx, uint64_t lost, enum target target)
{
	char why[64];

	if (!lost)
		return STATUS_DONE;
	snprintf(why, sizeof(why), "%" PRIu64 " records were lost", lost);
	if (target == TARGET_JOURNAL)
		return send_lost(ctx, lost, why);
	ctx_warn(ctx, why);
	return STATUS_DONE;
}

static int show_new(const struct ctx *ctx, struct rings *rings,
		    enum target target)
{
	static int (*const show[])(const struct ctx *ctx,
				   const struct kproxy_log_record *records,
				   size_t n) = {
		[TARGET_ARRAY] = print_array,
		[TARGET_LINES] = print_lines,
		[TARGET_JOURNAL] = send_records,
	};
	struct kproxy_log_record *records;
	uint64_t lost;
	size_t n;
	int status;

	n = rings_read(rings, &records, &lost);
	status = report_lost(ctx, lost, target);
	if (!status)
		status = show[target](ctx, records, n);
	free(records);
	return status;
}

/* Get the descriptor of the log, if the reply has one. */
static void get_fd(const struct nlattr *head, int len, void *arg)
{
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
	int *fd = arg;

	fields_parse(tb, head, len);
	if (tb[KPROXY_A_LOG_FD])
		*fd = field_get_uint(tb[KPROXY_A_LOG_FD]);
}

static int map_log(const struct ctx *ctx, struct rings *rings, int fd)
{
	int err = rings_map(rings, fd);

	if (err)
		err = errno;
	close(fd);
	if (!err)
		return STATUS_DONE;
	return ctx_fail(ctx, STATUS_KERNEL, "cannot read it: %s",
			err == EPROTO ? "the format is unknown, kproxy and its module differ" :
					strerror(err));
}

/* A namespace without a listener has no log yet. */
static int open_log(struct ctx *ctx, struct rings *rings)
{
	struct request *req = request_new(KPROXY_CMD_LOG_GET);
	int status, fd = -1;

	status = nl_exchange(ctx, req, get_fd, &fd);
	request_free(req);
	if (status || fd < 0)
		return status;
	return map_log(ctx, rings, fd);
}

/* All records of the log that ended have been printed. */
static void forget_log(struct ctx *ctx, struct rings *rings)
{
	rings_unmap(rings);
	ctx_warn(ctx, "the module was unloaded, waiting for it to come back");
	nl_forget(ctx);
}

static int follow_once(struct ctx *ctx, struct rings *rings,
		       enum target target)
{
	bool ended = false;
	int status = STATUS_DONE;

	if (!rings->header && nl_find(ctx))
		status = open_log(ctx, rings);
	if (status || !rings->header)
		return status;
	ended = rings_ended(rings);
	status = show_new(ctx, rings, target);
	if (!status && ended)
		forget_log(ctx, rings);
	return status;
}

static int follow_log(struct ctx *ctx, struct rings *rings, enum target target)
{
	int status;

	signals_catch();
	do {
		status = follow_once(ctx, rings, target);
	} while (!status && signals_wait(-1, INTERVAL));
	return status;
}

static int show_log(struct ctx *ctx, bool follow, enum target target)
{
	struct rings rings = {};
	int status;

	status = nl_open(ctx);
	if (!status)
		status = nl_check(ctx);
	if (!status && !follow)
		status = open_log(ctx, &rings);
	if (!status)
		status = follow ? follow_log(ctx, &rings, target) :
				  show_new(ctx, &rings, target);
	rings_unmap(&rings);
	return status;
}

static bool take_word(struct args *args, const char *word)
{
	bool found = args->argc && !strcmp(*args->argv, word);

	if (found)
		args_next(args);
	return found;
}

static int log_run(struct ctx *ctx, struct args *args)
{
	bool follow = take_word(args, "-f");
	enum target target = ctx->json && !follow ? TARGET_ARRAY :
						    TARGET_LINES;
	int status;

	if (take_word(args, "journal"))
		target = TARGET_JOURNAL;
	status = args_end(ctx, args);
	return status ? status : show_log(ctx, follow, target);
}

const struct object log_object = {
	.name = "log",
	.usage = "  kproxy log [-f] [journal]\n",
	.run = log_run,
};
