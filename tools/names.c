// SPDX-License-Identifier: GPL-2.0
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "ctx.h"
#include "nl.h"
#include "option.h"
#include "token.h"

#define LABEL_MAX 63
#define HOST_MAX 253

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

const struct option_spec option_resolve[] = {
	{ .name = "resolve", .type = &option_word, .words = option_switch },
	{}
};

static bool is_host(const char *host)
{
	size_t len = strlen(host), label;

	if (!len || len > HOST_MAX)
		return false;
	while (*host) {
		label = strspn(host, TOKEN_HOST_CHARS);
		if (!label || label > LABEL_MAX)
			return false;
		host += label;
		if (*host && *host++ != '.')
			return false;
	}
	return true;
}

static bool ends_in_number(const char *host)
{
	const char *label = strrchr(host, '.');

	label = label ? label + 1 : host;
	return strspn(label, TOKEN_DIGITS) == strlen(label);
}

const char *names_parse(const char *text, char *host, uint16_t *port)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len >= NAME_TEXT_MAX)
		return "the name is too long";
	memcpy(host, text, len);
	host[len] = '\0';
	if (!is_host(host) || (*host != '_' && ends_in_number(host)))
		return "not a host name that can be followed";
	*port = 0;
	if (*host != '_')
		return colon ? token_port(colon + 1, port) :
			       "a port is missing, write NAME:PORT";
	if (colon)
		return "a service has no port, its SRV records have";
	if (!strstr(host, "._") || !strchr(strstr(host, "._") + 1, '.'))
		return "a service is _SERVICE._PROTO.DOMAIN";
	return NULL;
}

/* The file of the namespace, whose cookie no other one gets until a reboot. */
static char *path_of(struct ctx *ctx, const char *suffix)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	char *path;

	if (nl_open(ctx) || getsockopt(ctx->ifd, SOL_SOCKET, SO_NETNS_COOKIE,
				       &cookie, &len))
		cookie = 0;
	if (asprintf(&path, NAMES_DIR "/names-%" PRIu64 "%s", cookie,
		     suffix) < 0)
		alloc_failed();
	return path;
}

static int refuse(const struct ctx *ctx, const char *path)
{
	struct ctx plain = ctx_plain(ctx);

	plain.file = NULL;
	return ctx_refuse(&plain, "%s: %s", path, strerror(errno));
}

static json_t *load(const char *path)
{
	json_t *root = json_load_file(path, 0, NULL), *rows;

	rows = json_object_get(root, "names");
	rows = json_is_array(rows) ? json_incref(rows) : json_array();
	json_decref(root);
	return rows;
}

int names_open(struct ctx *ctx, struct names *names, bool create)
{
	char *lock = path_of(ctx, ".lock");
	int status = STATUS_DONE;

	*names = (struct names){ .path = path_of(ctx, ".json"), .lock = -1 };
	if (create)
		mkdir(NAMES_DIR, 0755);
	names->lock = open(lock, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0),
			   0644);
	if (names->lock >= 0 && flock(names->lock, LOCK_EX))
		status = refuse(ctx, lock);
	else if (names->lock < 0 && (create || errno != ENOENT))
		status = refuse(ctx, lock);
	free(lock);
	names->rows = names->lock < 0 ? json_array() : load(names->path);
	return status;
}

void names_close(struct names *names)
{
	if (names->lock >= 0)
		close(names->lock);
	json_decref(names->rows);
	free(names->path);
}

/* At any moment the file has all of the old or all of the new list. */
int names_save(struct ctx *ctx, const struct names *names)
{
	json_t *root = json_pack("{s:O}", "names", names->rows);
	int status = STATUS_DONE;
	char *next;

	if (asprintf(&next, "%s.new", names->path) < 0)
		alloc_failed();
	if (json_dump_file(root, next, JSON_INDENT(1)) ||
	    rename(next, names->path))
		status = refuse(ctx, names->path);
	free(next);
	json_decref(root);
	return status;
}

static const char *member(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

json_t *names_find(const struct names *names, const char *upstream,
		   const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(names->rows, i, row)
		if (!strcmp(member(row, "upstream"), upstream) &&
		    !strcasecmp(member(row, "name"), name))
			return row;
	return NULL;
}

json_t *names_row(const char *upstream, const char *name, json_t *options)
{
	return json_pack("{s:s,s:s,s:O,s:{}}", "upstream", upstream, "name",
			 name, "options", options, "servers");
}

json_t *names_read(struct ctx *ctx)
{
	char *path = path_of(ctx, ".json");
	json_t *rows = load(path);

	free(path);
	return rows;
}

bool names_owns(const json_t *row, const char *upstream, const char *address)
{
	return !strcmp(member(row, "upstream"), upstream) &&
	       json_object_get(json_object_get(row, "servers"), address);
}

void names_drop(json_t *servers, const json_t *row)
{
	const json_t *made = json_object_get(row, "servers");
	size_t i;

	for (i = json_array_size(servers); i--;)
		if (json_object_get(made, member(json_array_get(servers, i),
						 "address")))
			json_array_remove(servers, i);
}

static int open_claim(struct ctx *ctx, int flags)
{
	char *path = path_of(ctx, ".resolver");
	int fd = open(path, flags | O_CLOEXEC, 0644);

	free(path);
	return fd;
}

/* The descriptor stays open, and with it the lock. */
bool names_claim(struct ctx *ctx)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	mkdir(NAMES_DIR, 0755);
	fd = open_claim(ctx, O_RDWR | O_CREAT);
	if (fd >= 0 && !fcntl(fd, F_OFD_SETLK, &whole))
		return true;
	if (fd >= 0)
		close(fd);
	return false;
}

/* Look only: a lock, however short, could be in the way of the one who claims. */
void names_warn(struct ctx *ctx)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open_claim(ctx, O_RDONLY);

	if (fd < 0 || (!fcntl(fd, F_OFD_GETLK, &whole) &&
		       whole.l_type == F_UNLCK))
		ctx_warn(ctx, "nothing follows the name until \"kproxy resolve\" runs");
	if (fd >= 0)
		close(fd);
}
