// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "exporter.h"
#include "listen.h"
#include "nl.h"
#include "print.h"
#include "token.h"

#define DEFAULT_ADDRESS "127.0.0.1:9816"

#define HOST_SIZE 256

enum sessions {
	SESSIONS_DEFAULT,
	SESSIONS_OFF,
	SESSIONS_ON,
};

/**
 * struct words - what was typed
 * @address: to listen on, or NULL
 * @sessions: whether they are shown
 * @hosts: names of this machine, the first being its own
 * @n_hosts: how many
 */
struct words {
	const char *address;
	enum sessions sessions;
	const char **hosts;
	size_t n_hosts;
};

static void add_host(struct words *words, const char *name)
{
	words->hosts = xgrow(words->hosts, words->n_hosts + 1,
			     sizeof(*words->hosts));
	words->hosts[words->n_hosts++] = name;
}

static int parse_host(const struct ctx *ctx, struct words *words,
		      const char *name)
{
	if (!*name || strlen(name) >= HOST_SIZE ||
	    strspn(name, TOKEN_NAME_CHARS) != strlen(name))
		return ctx_refuse(ctx, "host \"%s\": not a host name", name);
	add_host(words, name);
	return STATUS_DONE;
}

static int parse_sessions(const struct ctx *ctx, struct words *words,
			  const char *word)
{
	if (strcmp(word, "on") && strcmp(word, "off"))
		return ctx_refuse(ctx, "sessions \"%s\": must be on or off",
				  word);
	words->sessions = strcmp(word, "on") ? SESSIONS_OFF : SESSIONS_ON;
	return STATUS_DONE;
}

static const struct {
	const char *name;
	int (*parse)(const struct ctx *ctx, struct words *words,
		     const char *word);
} options[] = {
	{ "host", parse_host },
	{ "sessions", parse_sessions },
};

static int parse_option(const struct ctx *ctx, struct args *args,
			struct words *words, const char *name)
{
	const char *word;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name))
			continue;
		word = args_next(args);
		if (!word)
			return ctx_refuse(ctx, "%s needs a value", name);
		return options[i].parse(ctx, words, word);
	}
	return ctx_refuse(ctx, "unexpected \"%s\"", name);
}

/* An address has a colon, an option has none. */
static int parse(const struct ctx *ctx, struct args *args, struct words *words)
{
	int status = STATUS_DONE;
	const char *word;

	while (!status && (word = args_next(args))) {
		if (!words->address && strchr(word, ':'))
			words->address = word;
		else
			status = parse_option(ctx, args, words, word);
	}
	return status;
}

static int get_socket(const struct ctx *ctx, const struct words *words, int *fd)
{
	int status;

	status = listen_inherited(ctx, fd);
	if (status)
		return status;
	if (*fd < 0)
		return listen_open(ctx, words->address ? words->address :
				   DEFAULT_ADDRESS, fd);
	if (!words->address)
		return STATUS_DONE;
	return ctx_refuse(ctx, "address %s: systemd has passed a socket already",
			  words->address);
}

static int run(struct ctx *ctx, const struct words *words, int fd)
{
	struct exporter_options served = {
		.sessions = words->sessions == SESSIONS_DEFAULT ?
			    listen_is_local(fd) :
			    words->sessions == SESSIONS_ON,
		.any_host = listen_is_unix(fd),
		.hosts = words->hosts,
		.n_hosts = words->n_hosts,
	};

	return exporter_run(ctx, fd, &served);
}

static int exporter_command(struct ctx *ctx, struct args *args)
{
	char name[HOST_SIZE] = "";
	struct words words = {};
	int status, fd = -1;

	gethostname(name, sizeof(name) - 1);
	add_host(&words, name);
	status = parse(ctx, args, &words);
	if (!status)
		status = nl_open(ctx);
	if (!status)
		status = get_socket(ctx, &words, &fd);
	if (!status)
		status = run(ctx, &words, fd);
	free(words.hosts);
	return status;
}

const struct object exporter_object = {
	.name = "exporter",
	.usage = EXPORTER_USAGE,
	.run = exporter_command,
};
