// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "args.h"
#include "change.h"
#include "cmd.h"
#include "config.h"
#include "ctx.h"
#include "nl.h"
#include "option.h"
#include "print.h"
#include "request.h"
#include "yaml-file.h"

static int exchange(struct ctx *ctx, uint8_t cmd)
{
	struct request *req = request_new(cmd);
	int status = nl_exchange(ctx, req, NULL, NULL);

	request_free(req);
	return status;
}

/* The kernel forgets what was staged when our socket closes. */
static int change_running(struct ctx *ctx, const struct config *config)
{
	struct changes changes = {};
	struct running running;
	int status;

	status = exchange(ctx, KPROXY_CMD_TRANSACTION_BEGIN);
	if (status)
		return status;
	status = running_load(ctx, &running);
	if (!status)
		changes_find(&changes, config, &running);
	if (!status)
		status = changes_send(ctx, &changes);
	if (!status)
		status = exchange(ctx, changes.n ? KPROXY_CMD_TRANSACTION_COMMIT :
						   KPROXY_CMD_TRANSACTION_ABORT);
	else
		exchange(ctx, KPROXY_CMD_TRANSACTION_ABORT);
	changes_free(&changes);
	running_free(&running);
	return status;
}

static int show_difference(struct ctx *ctx, const struct config *config)
{
	struct changes changes = {};
	struct running running;
	int status;

	status = running_load(ctx, &running);
	if (!status) {
		changes_find(&changes, config, &running);
		status = changes_show(ctx, &changes);
	}
	changes_free(&changes);
	running_free(&running);
	return status;
}

static int file_word(struct ctx *ctx, struct args *args, const char **path)
{
	*path = args_next(args);
	if (!*path)
		return ctx_refuse(ctx, "FILE is missing, try \"kproxy config help\"");
	return args_end(ctx, args);
}

static int read_config(struct ctx *ctx, struct args *args,
		       struct config *config)
{
	const char *path;
	int status;

	*config = (struct config){};
	status = file_word(ctx, args, &path);
	return status ? status : config_read(ctx, path, config);
}

static int run_apply(struct ctx *ctx, struct args *args)
{
	bool dry = args->argc && !strcmp(*args->argv, "--dry-run");
	struct config config;
	int status;

	if (dry)
		args_next(args);
	status = read_config(ctx, args, &config);
	if (!status)
		status = dry ? show_difference(ctx, &config) :
			       change_running(ctx, &config);
	config_free(&config);
	ctx->file = NULL;
	return status;
}

static int run_check(struct ctx *ctx, struct args *args)
{
	struct config config;
	int status;

	status = read_config(ctx, args, &config);
	config_free(&config);
	ctx->file = NULL;
	return status;
}

static int run_flush(struct ctx *ctx, struct args *args)
{
	struct config nothing = {};
	int status;

	status = args_end(ctx, args);
	return status ? status : change_running(ctx, &nothing);
}

/* Copy what the kernel would not have by itself. */
static void copy_options(json_t *to, const struct object *object,
			 const json_t *row)
{
	const struct option_spec *option;
	json_t *value, *def;

	for (option = object->options; option->name; option++) {
		value = json_object_get(row, option->name);
		def = option_default(option);
		if (value && !json_equal(value, def))
			json_object_set(to, option->name, value);
		json_decref(def);
	}
}

static json_t *pack_server(const json_t *row)
{
	json_t *server = json_object();

	json_object_set(server, "address", json_object_get(row, "address"));
	copy_options(server, &server_object, row);
	return server;
}

static json_t *pack_upstream(const json_t *row)
{
	json_t *upstream = json_object(), *servers = json_array(), *server;
	size_t i;

	copy_options(upstream, &upstream_object, row);
	json_array_foreach(json_object_get(row, "servers"), i, server)
		json_array_append_new(servers, pack_server(server));
	json_object_set_new(upstream, "servers", servers);
	return upstream;
}

static json_t *pack_route(const json_t *row)
{
	json_t *route = json_object();

	json_object_set(route, "sni", json_object_get(row, "sni"));
	json_object_set(route, "upstream", json_object_get(row, "upstream"));
	return route;
}

static json_t *pack_listener(const json_t *row)
{
	json_t *listener = json_object(), *routes = json_array(), *route;
	size_t i;

	json_object_set(listener, "listen", json_object_get(row, "addresses"));
	copy_options(listener, &listener_object, row);
	json_array_foreach(json_object_get(row, "routes"), i, route)
		json_array_append_new(routes, pack_route(route));
	if (json_array_size(routes))
		json_object_set(listener, "routes", routes);
	json_decref(routes);
	return listener;
}

static json_t *pack_section(const json_t *rows,
			    json_t *(*pack)(const json_t *row))
{
	json_t *section = json_object(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		json_object_set_new(section,
				    json_string_value(json_object_get(row, "name")),
				    pack(row));
	return section;
}

static json_t *pack_running(const struct running *running)
{
	return json_pack("{s:o,s:o}", "upstreams",
			 pack_section(running->upstreams, pack_upstream),
			 "listeners",
			 pack_section(running->listeners, pack_listener));
}

static void write_config(const struct ctx *ctx, FILE *out, const json_t *config)
{
	if (!ctx->json) {
		yaml_file_write(out, config);
		return;
	}
	json_dumpf(config, out, print_json_flags(ctx));
	fputc('\n', out);
}

/* Return: whether all of it is there. */
static bool write_and_close(const struct ctx *ctx, FILE *out,
			    const json_t *config)
{
	bool done;

	write_config(ctx, out, config);
	done = !fflush(out) && !ferror(out);
	return !fclose(out) && done;
}

static bool write_new(const struct ctx *ctx, char *path, mode_t mode,
		      const json_t *config)
{
	int fd = mkostemp(path, O_CLOEXEC);
	FILE *out;

	if (fd < 0)
		return false;
	out = fdopen(fd, "w");
	if (!out)
		alloc_failed();
	fchmod(fd, mode);
	return write_and_close(ctx, out, config);
}

/* The file is what it was or all of the new one, whatever happens. */
static bool replace(const struct ctx *ctx, const char *path, mode_t mode,
		    const json_t *config)
{
	sigset_t all, before;
	char *temporary;
	bool done;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		alloc_failed();
	/* A signal must not leave the temporary file behind. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	done = write_new(ctx, temporary, mode, config) &&
	       !rename(temporary, path);
	if (!done)
		unlink(temporary);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(temporary);
	return done;
}

/* Devices and links are not replaced, but written to. */
static bool overwrite(const struct ctx *ctx, const char *path,
		      const json_t *config)
{
	FILE *out = fopen(path, "we");

	return out && write_and_close(ctx, out, config);
}

static bool save_file(const struct ctx *ctx, const char *path,
		      const json_t *config)
{
	struct stat st = { .st_mode = S_IFREG | 0644 };

	lstat(path, &st);
	if (S_ISREG(st.st_mode))
		return replace(ctx, path, st.st_mode & 07777, config);
	return overwrite(ctx, path, config);
}

static int save(const struct ctx *ctx, const char *path, const json_t *config)
{
	if (path && strcmp(path, "-")) {
		if (save_file(ctx, path, config))
			return STATUS_DONE;
		return ctx_refuse(ctx, "%s: %s", path, strerror(errno));
	}
	write_config(ctx, stdout, config);
	return print_flush(ctx);
}

static int run_save(struct ctx *ctx, struct args *args)
{
	const char *path = args_next(args);
	struct running running;
	json_t *config;
	int status;

	status = args_end(ctx, args);
	if (status)
		return status;
	status = running_load(ctx, &running);
	if (!status) {
		config = pack_running(&running);
		status = save(ctx, path, config);
		json_decref(config);
	}
	running_free(&running);
	return status;
}

static const struct command commands[] = {
	{ .name = "apply", .run = run_apply },
	{ .name = "check", .run = run_check },
	{ .name = "save", .run = run_save },
	{ .name = "flush", .run = run_flush },
	{}
};

const struct object config_object = {
	.name = "config",
	.usage = "  kproxy config apply [--dry-run] FILE\n"
		 "  kproxy config check FILE\n"
		 "  kproxy config save [FILE]\n"
		 "  kproxy config flush\n",
	.commands = commands,
};
