// SPDX-License-Identifier: GPL-2.0
/*
 * Plans the changes that make the servers of an upstream those of the answers:
 *
 *   - what a name has and the upstream lacks is added;
 *   - what it no longer has is drained, and deleted when no session is left;
 *   - nothing is done for a name without an answer.
 *
 * The changes are one transaction. The list says that a server is ours before it is
 * made, so that none is forgotten if this process ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "alloc.h"
#include "cmd.h"
#include "config.h"
#include "ctx.h"
#include "dns.h"
#include "names.h"
#include "option.h"
#include "request.h"
#include "resolver.h"
#include "row.h"
#include "view.h"

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
	req = resolver_request(r->ctx, "add", words, &status);
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
	const char *address = row_text(found, "address");
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
		if (!strcmp(row_text(have, "state"), "up"))
			plan_drain(plan, address);
		own(r, name, address, true);
	} else if (!sessions_of(have)) {
		add_command(plan, "delete", address);
	}
}

static void plan_name(struct resolver *r, struct plan *plan, json_t *name)
{
	const char *text = row_text(name, "name"), *address;
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

/* Return: whether all changes were made. */
static bool run_plan(struct resolver *r, const struct plan *plan)
{
	if (!json_array_size(plan->commands))
		return true;
	/* Before there is a server it must be known as ours. */
	if (r->changed && names_save(r->ctx, &r->names))
		return false;
	r->changed = false;
	return !resolver_commit(r->ctx, plan->commands);
}

void resolver_follow(struct resolver *r, const json_t *upstream)
{
	struct plan plan = {
		.upstream = row_text(upstream, "name"),
		.servers = row_index(json_object_get(upstream, "servers"),
				     "address"),
		.wanted = json_object(), .commands = json_array(),
	};
	json_t *before = json_deep_copy(r->names.rows), *name;
	size_t i;

	json_array_foreach(r->names.rows, i, name)
		if (!strcmp(row_text(name, "upstream"), plan.upstream))
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
