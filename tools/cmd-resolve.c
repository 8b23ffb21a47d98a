// SPDX-License-Identifier: GPL-2.0
/*
 * Follow the names of servers: look them up as long as they are wanted, and make
 * the servers of each upstream what the answers say. Which names there are, and
 * which servers are ours, is in the list of names.h. In each pass
 *
 *   - what a name has and the upstream lacks is added;
 *   - what it no longer has is drained, and deleted when no session is left;
 *   - nothing is done for a name without an answer.
 *
 * The changes of an upstream are one transaction. The list says that a server is
 * ours before it is made, so that none is forgotten if this process ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "config.h"
#include "ctx.h"
#include "dns.h"
#include "names.h"
#include "nl.h"
#include "option.h"
#include "print.h"
#include "request.h"
#include "signals.h"
#include "token.h"
#include "view.h"

/* How often servers are looked at: while some are drained, and otherwise. */
#define BUSY_MS 500
#define IDLE_MS 5000
/* And without any name. */
#define NOTHING_MS 3600000

/* What an answer's life is limited to, unless asked for otherwise. */
#define TTL_MIN_MS 1000
#define TTL_MAX_MS 3600000
/* Bounds of both limits. */
#define TTL_LEAST_MS 100
#define TTL_MOST_MS KPROXY_TIME_MAX

/**
 * struct resolver - what follows names
 * @ctx: for messages and the kernel
 * @dns: what looks them up
 * @names: the list, open during a pass
 * @upstreams: of the kernel, by name, during a pass
 * @failures: what was said last about a name, by name
 * @busy: some server is drained
 * @failed: something was refused, and is tried again later
 * @changed: the list is to be saved
 * @empty: it has no name
 */
struct resolver {
	struct ctx *ctx;
	struct dns *dns;
	struct names names;
	json_t *upstreams;
	json_t *failures;
	bool busy;
	bool failed;
	bool changed;
	bool empty;
};

/**
 * struct plan - the changes of one upstream
 * @upstream: its name
 * @servers: the kernel's, by address
 * @wanted: rows of servers that are to be there, by address
 * @commands: arrays of a verb and its words
 */
struct plan {
	const char *upstream;
	json_t *servers;
	json_t *wanted;
	json_t *commands;
};

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static void say(struct resolver *r, const char *name, const char *text)
{
	struct ctx about = *r->ctx;

	about.object = "name";
	about.name = name;
	ctx_warn(&about, text);
}

/* Say why a look-up fails when that is news, and when it no longer does. */
static void say_failure(struct resolver *r, const char *name, const char *host)
{
	const char *now = dns_failure(r->dns, host);
	const char *last = json_string_value(json_object_get(r->failures,
							     name));
	char *text;

	if (now && (!last || strcmp(now, last))) {
		if (asprintf(&text, "%s, its servers stay", now) < 0)
			alloc_failed();
		say(r, name, text);
		free(text);
		json_object_set_new(r->failures, name, json_string(now));
	} else if (!now && last) {
		say(r, name, "is found again");
		json_object_del(r->failures, name);
	}
}

/* Build the request of a command on a server. */
static struct request *build(struct ctx *ctx, const char *verb,
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
	struct request *req;
	int status = STATUS_DONE;
	json_t *command;
	size_t i;

	json_array_foreach(commands, i, command) {
		req = build(ctx, json_string_value(json_array_get(command, 0)),
			    json_array_get(command, 1), &status);
		if (!status)
			status = nl_exchange(ctx, req, NULL, NULL);
		request_free(req);
		if (status)
			break;
	}
	return status;
}

static int commit(struct ctx *ctx, const json_t *commands)
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

static json_t *add_command(struct plan *plan, const char *verb,
			   const char *address)
{
	json_t *words = json_pack("[s,s]", plan->upstream, address);

	json_array_append_new(plan->commands,
			      json_pack("[s,o]", verb, words));
	return words;
}

static void add_words(json_t *words, const json_t *options)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)options, name, value) {
		json_array_append_new(words, json_string(name));
		json_array_append(words, value);
	}
}

static void plan_drain(struct plan *plan, const char *address)
{
	json_t *words = add_command(plan, "set", address);

	json_array_append_new(words, json_string("state"));
	json_array_append_new(words, json_string("drain"));
}

static bool has_option(const struct object *object, const char *name)
{
	const struct option_spec *option;

	for (option = object->options; option->name; option++)
		if (!strcmp(option->name, name))
			return true;
	return false;
}

/* The options of a server: those of the name, and what its record says. */
static json_t *options_of(const json_t *name, const json_t *found)
{
	json_int_t weight = json_integer_value(json_object_get(found, "weight"));
	json_int_t rank = json_integer_value(json_object_get(found, "rank"));
	json_t *options = json_object();

	if (weight)
		json_object_set_new(options, "weight",
				    json_sprintf("%" JSON_INTEGER_FORMAT,
						 weight));
	if (rank && has_option(&server_object, "priority"))
		json_object_set_new(options, "priority",
				    json_sprintf("%" JSON_INTEGER_FORMAT,
						 rank));
	else if (rank)
		json_object_set_new(options, "backup", json_string("on"));
	json_object_update(options, json_object_get(name, "options"));
	return options;
}

static json_t *decode(const struct ctx *ctx, const struct request *req)
{
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(req->msg));

	return server_view.decode(ctx, genlmsg_attrdata(hdr, 0),
				  genlmsg_attrlen(hdr, 0));
}

/* As the kernel would show a server with these options; NULL if it cannot be. */
static json_t *row_of(struct resolver *r, const struct plan *plan,
		      const char *address, const json_t *options)
{
	json_t *words = json_pack("[s,s]", plan->upstream, address), *row = NULL;
	struct request *req;
	int status;

	add_words(words, options);
	req = build(r->ctx, "add", words, &status);
	if (!status)
		row = decode(r->ctx, req);
	request_free(req);
	json_decref(words);
	return row;
}

static json_t *value_of(const struct option_spec *option, const json_t *row)
{
	json_t *value = json_object_get(row, option->name);

	return value ? json_incref(value) : option_default(option);
}

/*
 * Make the options of a server that is there those of @want, and put it up if it is
 * drained: in one command, since a transaction changes an object once.
 */
static void plan_set(struct plan *plan, const char *address,
		     const json_t *want, const json_t *have, bool draining)
{
	const struct option_spec *option;
	json_t *words, *left, *right;
	char *text;

	words = json_pack("[s,s]", plan->upstream, address);
	for (option = server_object.options; option->name; option++) {
		left = value_of(option, want);
		right = value_of(option, have);
		if (left && !option->runtime && !json_equal(left, right)) {
			text = config_text(left);
			json_array_append_new(words, json_string(option->name));
			json_array_append_new(words, json_string(text));
			free(text);
		}
		json_decref(left);
		json_decref(right);
	}
	if (draining) {
		json_array_append_new(words, json_string("state"));
		json_array_append_new(words, json_string("up"));
	}
	if (json_array_size(words) > 2)
		json_array_append_new(plan->commands,
				      json_pack("[s,O]", "set", words));
	json_decref(words);
}

static bool is_draining(const json_t *name, const char *address)
{
	return json_is_true(json_object_get(json_object_get(name, "servers"),
					    address));
}

static void own(struct resolver *r, json_t *name, const char *address,
		bool draining)
{
	json_object_set_new(json_object_get(name, "servers"), address,
			    json_boolean(draining));
	r->changed = true;
}

/* A server that the name has. */
static void plan_wanted(struct resolver *r, struct plan *plan, json_t *name,
			const json_t *found)
{
	const char *address = text_of(found, "address");
	const json_t *have = json_object_get(plan->servers, address);
	bool ours = names_owns(name, plan->upstream, address);
	json_t *options, *want;

	/* Another name, or a person, has it. */
	if (json_object_get(plan->wanted, address) || (have && !ours))
		return;
	options = options_of(name, found);
	want = row_of(r, plan, address, options);
	if (!want) {
		r->failed = true;
	} else if (!have) {
		add_words(add_command(plan, "add", address), options);
		own(r, name, address, false);
	} else {
		plan_set(plan, address, want, have,
			 is_draining(name, address));
		if (is_draining(name, address))
			own(r, name, address, false);
	}
	if (want)
		json_object_set_new(plan->wanted, address, want);
	json_decref(options);
}

static json_int_t sessions_of(const json_t *server)
{
	return json_integer_value(json_object_get(json_object_get(server,
								  "stats"),
						  "sessions"));
}

/* Plan for a server whose address the name no longer has. */
static void plan_unwanted(struct resolver *r, struct plan *plan, json_t *name,
			  const char *address)
{
	const json_t *have = json_object_get(plan->servers, address);

	if (!have) {
		json_object_del(json_object_get(name, "servers"), address);
		r->changed = true;
		return;
	}
	r->busy = true;
	if (!is_draining(name, address)) {
		if (!strcmp(text_of(have, "state"), "up"))
			plan_drain(plan, address);
		own(r, name, address, true);
	} else if (!sessions_of(have)) {
		add_command(plan, "delete", address);
	}
}

static void plan_name(struct resolver *r, struct plan *plan, json_t *name)
{
	const char *text = text_of(name, "name"), *address;
	bool gone = json_object_get(name, "gone");
	json_t *found = NULL, *row, *value;
	char host[NAME_TEXT_MAX];
	uint16_t port;
	void *next;
	size_t i;

	if (!gone && !names_parse(text, host, &port)) {
		found = dns_find(r->dns, host, port);
		say_failure(r, text, host);
	}
	if (!gone && !found)
		return;
	json_array_foreach(found, i, row)
		plan_wanted(r, plan, name, row);
	json_object_foreach_safe(json_object_get(name, "servers"), next,
				 address, value)
		if (!json_object_get(plan->wanted, address))
			plan_unwanted(r, plan, name, address);
	json_decref(found);
}

static json_t *by_key(const json_t *rows, const char *key)
{
	json_t *index = json_object(), *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
		json_object_set(index, text_of(row, key), row);
	return index;
}

/* Return: whether all changes were made. */
static bool run_plan(struct resolver *r, const struct plan *plan)
{
	if (!json_array_size(plan->commands))
		return true;
	/* Before there is a server it must be known as ours. */
	if (r->changed && names_save(r->ctx, &r->names))
		return false;
	r->changed = false;
	return !commit(r->ctx, plan->commands);
}

/* All names of one upstream. */
static void follow_upstream(struct resolver *r, const json_t *upstream)
{
	struct plan plan = {
		.upstream = text_of(upstream, "name"),
		.servers = by_key(json_object_get(upstream, "servers"),
				  "address"),
		.wanted = json_object(), .commands = json_array(),
	};
	json_t *before = json_deep_copy(r->names.rows), *name;
	size_t i;

	json_array_foreach(r->names.rows, i, name)
		if (!strcmp(text_of(name, "upstream"), plan.upstream))
			plan_name(r, &plan, name);
	if (!run_plan(r, &plan)) {
		/* The list says what is, not what was to be. */
		json_decref(r->names.rows);
		r->names.rows = json_incref(before);
		r->changed = true;
		r->failed = true;
	}
	json_decref(before);
	json_decref(plan.servers);
	json_decref(plan.wanted);
	json_decref(plan.commands);
}

/*
 * A name ends with its upstream, or with its last server once it was deleted. A
 * list that changes while it is read may lack an upstream, but hardly twice.
 */
static bool is_over(struct resolver *r, json_t *name)
{
	bool missing = json_object_get(name, "missing");

	if (json_object_get(r->upstreams, text_of(name, "upstream"))) {
		if (missing)
			json_object_del(name, "missing");
		return json_object_get(name, "gone") &&
		       !json_object_size(json_object_get(name, "servers"));
	}
	json_object_set_new(name, "missing", json_true());
	r->changed = true;
	r->busy = true;
	return missing;
}

static void prune(struct resolver *r)
{
	size_t i;

	for (i = json_array_size(r->names.rows); i--;) {
		if (!is_over(r, json_array_get(r->names.rows, i)))
			continue;
		json_array_remove(r->names.rows, i);
		r->changed = true;
	}
}

static bool has_names(const struct resolver *r, const char *upstream)
{
	json_t *name;
	size_t i;

	json_array_foreach(r->names.rows, i, name)
		if (!strcmp(text_of(name, "upstream"), upstream))
			return true;
	return false;
}

static void follow_all(struct resolver *r)
{
	json_t *rows = json_array(), *upstream;
	const char *key;

	r->ctx->object = NULL;
	r->ctx->name = NULL;
	r->ctx->stats = true;
	if (view_rows(r->ctx, &upstream_view, rows)) {
		nl_forget(r->ctx);
		r->failed = true;
		json_decref(rows);
		return;
	}
	r->upstreams = by_key(rows, "name");
	prune(r);
	json_object_foreach(r->upstreams, key, upstream)
		if (has_names(r, key))
			follow_upstream(r, upstream);
	json_decref(r->upstreams);
	json_decref(rows);
}

/* Without the module there is nothing to follow; it may come back. */
static void pass(struct resolver *r)
{
	r->busy = false;
	r->failed = false;
	r->changed = false;
	if (names_open(r->ctx, &r->names, true)) {
		r->failed = true;
	} else if (json_array_size(r->names.rows)) {
		if (nl_find(r->ctx))
			follow_all(r);
		if (r->changed)
			names_save(r->ctx, &r->names);
	}
	r->empty = !json_array_size(r->names.rows);
	names_close(&r->names);
	dns_collect(r->dns);
}

/* Return: whether the list may have changed. */
static bool read_inotify(int fd)
{
	char buf[4096];
	bool any = false;

	while (read(fd, buf, sizeof(buf)) > 0)
		any = true;
	return any;
}

static int watch_names(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0)
		inotify_add_watch(fd, NAMES_DIR, IN_MOVED_TO);
	return fd;
}

static void add_fd(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* A new list is seen at once, whatever this says. */
static int pause_of(const struct resolver *r)
{
	if (r->busy && !r->failed)
		return BUSY_MS;
	return r->empty && !r->failed ? NOTHING_MS : IDLE_MS;
}

static void loop(struct resolver *r)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), inotify = watch_names();
	uint64_t next = 0, now;
	bool due;

	add_fd(epoll, dns_fd(r->dns));
	add_fd(epoll, inotify);
	do {
		due = dns_run(r->dns);
		due |= read_inotify(inotify);
		if (due || now_ms() >= next) {
			pass(r);
			next = now_ms() + pause_of(r);
		}
		/* Names that a pass has found are asked for at once. */
		now = now_ms();
	} while (signals_wait(epoll, dns_timeout(r->dns, next > now ?
						  (int)(next - now) : 0)));
	close(inotify);
	close(epoll);
}

static int follow(struct ctx *ctx, const struct dns_options *options)
{
	struct resolver r = { .ctx = ctx };

	ctx->object = NULL;
	if (!names_claim(ctx))
		return ctx_fail(ctx, STATUS_KERNEL,
				"%s cannot be used, or another \"kproxy resolve\" runs",
				NAMES_DIR);
	signals_catch();
	r.dns = dns_new(options);
	r.failures = json_object();
	loop(&r);
	json_decref(r.failures);
	dns_free(r.dns);
	return STATUS_DONE;
}

static const struct column columns[] = {
	{ .title = "UPSTREAM", .key = "upstream" },
	{ .title = "NAME", .key = "name" },
	{ .title = "SERVERS", .key = "servers" },
	{ .title = "DRAINED", .key = "drained" },
	{}
};

static const struct table table = { .columns = columns };

static json_t *shown(const json_t *name)
{
	json_t *servers = json_array(), *drained = json_array(), *value;
	const char *address;

	json_object_foreach(json_object_get(name, "servers"), address, value)
		json_array_append_new(json_is_true(value) ? drained : servers,
				      json_string(address));
	return json_pack("{s:O,s:O,s:O,s:o,s:o}", "upstream",
			 json_object_get(name, "upstream"), "name",
			 json_object_get(name, "name"), "options",
			 json_object_get(name, "options"), "servers", servers,
			 "drained", drained);
}

static int show(struct ctx *ctx)
{
	json_t *names = names_read(ctx), *rows = json_array(), *name;
	size_t i;
	int status;

	json_array_foreach(names, i, name)
		json_array_append_new(rows, shown(name));
	status = print_rows(ctx, rows, &table);
	json_decref(rows);
	json_decref(names);
	return status;
}

static int refuse(const struct ctx *ctx, const char *option, const char *text,
		  const char *why)
{
	return ctx_refuse(ctx, "%s %s: %s", option, *text ? text : "\"\"", why);
}

static int read_option(const struct ctx *ctx, struct args *args,
		       struct dns_options *options)
{
	const char *option = args_next(args), *text = args_next(args), *why;
	uint64_t *ms = NULL;

	if (!strcmp(option, "min-ttl"))
		ms = &options->min_ms;
	else if (!strcmp(option, "max-ttl"))
		ms = &options->max_ms;
	else if (strcmp(option, "nameserver"))
		return ctx_refuse(ctx, "unknown option \"%s\"", option);
	if (!text)
		return ctx_refuse(ctx, "option \"%s\" needs a value", option);
	if (!ms) {
		options->servers = text;
		return STATUS_DONE;
	}
	why = token_time(text, ms);
	if (!why && (*ms < TTL_LEAST_MS || *ms > TTL_MOST_MS))
		why = "must be 100ms to 168h";
	return why ? refuse(ctx, option, text, why) : STATUS_DONE;
}

static int resolve_run(struct ctx *ctx, struct args *args)
{
	struct dns_options options = { .min_ms = TTL_MIN_MS,
				       .max_ms = TTL_MAX_MS };
	int status = nl_open(ctx);

	if (!status && args->argc && !strcmp(*args->argv, "show")) {
		args_next(args);
		status = args_end(ctx, args);
		return status ? status : show(ctx);
	}
	while (!status && args->argc)
		status = read_option(ctx, args, &options);
	if (!status && options.min_ms > options.max_ms)
		status = ctx_refuse(ctx, "min-ttl is larger than max-ttl");
	return status ? status : follow(ctx, &options);
}

const struct object resolve_object = {
	.name = "resolve",
	.usage = "  kproxy resolve [nameserver ADDR[:PORT][,ADDR[:PORT]]...] [min-ttl T] [max-ttl T]\n"
		 "  kproxy resolve show\n",
	.run = resolve_run,
};
