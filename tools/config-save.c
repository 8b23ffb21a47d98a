// SPDX-License-Identifier: GPL-2.0
#include "config-save.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "cmd.h"
#include "config.h"
#include "config-running.h"
#include "ctx.h"
#include "names.h"
#include "option.h"
#include "print.h"
#include "yaml-file.h"

/* Copy what the kernel would not have by itself. */
static void copy_options(json_t *to, const struct object *object,
			 const json_t *row)
{
	const struct option_spec *option;
	json_t *value, *def;

	for (option = object->options; option->name; option++) {
		value = json_object_get(row, option_key(option));
		def = option_default(option);
		if (value && !json_equal(value, def))
			json_object_set(to, option->name, value);
		json_decref(def);
	}
}

/* The list that has it says which its outer object is. */
static void copy_all_but(json_t *to, const json_t *row, const char *outer_key)
{
	json_object_update(to, (json_t *)row);
	json_object_del(to, outer_key);
}

static json_t *pack(const struct object *object, const json_t *row);

static void add_list(json_t *to, const struct object *object, const json_t *row)
{
	const struct form *form = object->form;
	json_t *list = json_array(), *inner;
	size_t i;

	json_array_foreach(json_object_get(row, form->list), i, inner)
		json_array_append_new(list, pack(object, inner));
	if (form->list_always || json_array_size(list))
		json_object_set(to, form->list, list);
	json_decref(list);
}

static json_t *pack(const struct object *object, const json_t *row)
{
	const struct form *form = object->form;
	const struct object *inner = NULL;
	json_t *packed = json_object();

	if (form->operand)
		json_object_set(packed, form->operand,
				json_object_get(row, form->operand_key));
	if (object->options)
		copy_options(packed, object, row);
	else
		copy_all_but(packed, row, form->outer_key);
	while ((inner = config_next_inner(object, inner)))
		add_list(packed, inner, row);
	return packed;
}

static json_t *pack_section(const struct object *object, const json_t *rows)
{
	json_t *section = json_object(), *row;
	const char *name;
	size_t i;

	json_array_foreach(rows, i, row) {
		name = json_string_value(json_object_get(row,
							 object->form->key));
		json_object_set_new(section, name, pack(object, row));
	}
	return section;
}

/* Names that are followed take the place of the servers made of them. */
static void pack_names(json_t *config, const json_t *names)
{
	const struct form *form = upstream_object.form;
	json_t *row, *upstream, *servers, *name;
	const char *key;
	size_t i;

	json_array_foreach(names, i, row) {
		key = json_string_value(json_object_get(row, "upstream"));
		upstream = json_object_get(json_object_get(config,
							   form->section), key);
		servers = json_object_get(upstream, "servers");
		names_drop(servers, row);
		if (!servers || json_object_get(row, "gone"))
			continue;
		name = json_pack("{s:O}", "name", json_object_get(row, "name"));
		json_object_update(name, json_object_get(row, "options"));
		json_array_append_new(servers, name);
	}
}

static json_t *pack_running(const json_t *running)
{
	const struct object *const *object;
	json_t *config = json_object();

	for (object = config_objects; *object; object++)
		if ((*object)->form->section)
			json_object_set_new(config, (*object)->form->section,
					    pack_section(*object,
							 running_rows(running,
								      *object)));
	return config;
}

void config_write(const struct ctx *ctx, FILE *out, const json_t *config)
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

	config_write(ctx, out, config);
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

/* At any moment the file has all of the old or all of the new contents. */
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

/* Write to devices and through links, which replace() would remove. */
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

static int write_to(const struct ctx *ctx, const char *path, const json_t *config)
{
	if (path && strcmp(path, "-")) {
		if (save_file(ctx, path, config))
			return STATUS_DONE;
		return ctx_refuse(ctx, "%s: %s", path, strerror(errno));
	}
	config_write(ctx, stdout, config);
	return print_flush(ctx);
}

int config_save(struct ctx *ctx, const char *path)
{
	json_t *running, *config, *names;
	int status;

	status = running_load(ctx, &running);
	if (!status) {
		config = pack_running(running);
		names = names_read(ctx);
		pack_names(config, names);
		json_decref(names);
		status = write_to(ctx, path, config);
		json_decref(config);
	}
	json_decref(running);
	return status;
}
