// SPDX-License-Identifier: GPL-2.0
/* Print a line for each event that the kernel sends, until interrupted. */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "nl.h"
#include "print.h"
#include "session-fields.h"
#include "view.h"

static json_t *begin_decode(const struct ctx *ctx, const struct nlattr *head,
			    int len)
{
	return fields_decode(ctx, session_fields, SESSION_BEGUN, head, len);
}

/* Values known since the beginning come first. */
static json_t *end_decode(const struct ctx *ctx, const struct nlattr *head,
			  int len)
{
	json_t *row = begin_decode(ctx, head, len);
	json_t *more = fields_decode(ctx, session_fields, SESSION_ENDED, head,
				     len);

	json_object_update(row, more);
	json_decref(more);
	return row;
}

static json_t *refused_decode(const struct ctx *ctx, const struct nlattr *head,
			      int len)
{
	return fields_decode(ctx, session_fields, SESSION_REFUSED, head, len);
}

static const struct view begin_view = { .decode = begin_decode };
static const struct view end_view = { .decode = end_decode };
static const struct view refused_view = { .decode = refused_decode };

/**
 * struct event - a kind of message that the kernel sends by itself
 * @name: what it is called in JSON
 * @cmd: the command of its message
 * @view: makes an object of it
 */
static const struct event {
	const char *name;
	int cmd;
	const struct view *view;
} events[] = {
	{ "listener_add", KPROXY_CMD_LISTENER_ADD_NTF, &listener_view },
	{ "listener_set", KPROXY_CMD_LISTENER_SET_NTF, &listener_view },
	{ "listener_del", KPROXY_CMD_LISTENER_DEL_NTF, &listener_view },
	{ "listener_down", KPROXY_CMD_LISTENER_DOWN_NTF, &listener_view },
	{ "upstream_add", KPROXY_CMD_UPSTREAM_ADD_NTF, &upstream_view },
	{ "upstream_set", KPROXY_CMD_UPSTREAM_SET_NTF, &upstream_view },
	{ "upstream_del", KPROXY_CMD_UPSTREAM_DEL_NTF, &upstream_view },
	{ "server_add", KPROXY_CMD_SERVER_ADD_NTF, &server_view },
	{ "server_set", KPROXY_CMD_SERVER_SET_NTF, &server_view },
	{ "server_del", KPROXY_CMD_SERVER_DEL_NTF, &server_view },
	{ "server_health", KPROXY_CMD_SERVER_HEALTH, &server_view },
	{ "route_add", KPROXY_CMD_ROUTE_ADD_NTF, &route_view },
	{ "route_del", KPROXY_CMD_ROUTE_DEL_NTF, &route_view },
	{ "session_begin", KPROXY_CMD_SESSION_BEGIN_NTF, &begin_view },
	{ "session_end", KPROXY_CMD_SESSION_END_NTF, &end_view },
	{ "session_refused", KPROXY_CMD_SESSION_REFUSED_NTF, &refused_view },
};

static const struct event *find_event(int cmd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i].cmd == cmd)
			return &events[i];
	return NULL;
}

/* The time now: the kernel sends events as they happen. */
static void print_time(const struct timeval *now)
{
	char text[sizeof("23:59:59")];
	struct tm tm;

	localtime_r(&now->tv_sec, &tm);
	strftime(text, sizeof(text), "%T", &tm);
	printf("%s.%03ld", text, now->tv_usec / 1000);
}

static void print_text(const struct timeval *now, const struct event *event,
		       json_t *row)
{
	print_time(now);
	printf(" %s", event->name);
	print_pairs(row);
}

static json_int_t milliseconds(const struct timeval *now)
{
	return now->tv_sec * (json_int_t)1000 + now->tv_usec / 1000;
}

static void print_line(const struct ctx *ctx, const struct timeval *now,
		       const struct event *event, json_t *row)
{
	json_t *line = json_pack("{s:s, s:I}", "event", event->name, "time_ms",
				 milliseconds(now));

	json_object_update(line, row);
	print_json(ctx, line);
	json_decref(line);
}

static int on_event(const struct ctx *ctx, int cmd, const struct nlattr *head,
		    int len)
{
	const struct event *event = find_event(cmd);
	struct timeval now;
	json_t *row;

	/* A newer kernel may know more. */
	if (!event)
		return STATUS_DONE;
	gettimeofday(&now, NULL);
	row = event->view->decode(ctx, head, len);
	/* An event about an upstream does not list its servers. */
	json_object_del(row, "servers");
	if (ctx->json)
		print_line(ctx, &now, event, row);
	else
		print_text(&now, event, row);
	json_decref(row);
	return print_flush(ctx);
}

static int monitor_run(struct ctx *ctx, struct args *args)
{
	static const char *const groups[] = {
		KPROXY_MCGRP_EVENTS, KPROXY_MCGRP_SESSION, NULL
	};
	int status;

	status = args_end(ctx, args);
	if (!status)
		status = nl_open(ctx);
	if (!status)
		status = nl_listen(ctx, groups, on_event);
	return status;
}

const struct object monitor_object = {
	.name = "monitor",
	.usage = "  kproxy monitor\n",
	.run = monitor_run,
};
