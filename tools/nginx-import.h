/* SPDX-License-Identifier: GPL-2.0 */
/* What the files share that make a configuration of nginx's. */
#ifndef KPROXY_NGINX_IMPORT_H
#define KPROXY_NGINX_IMPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "import-rules.h"
#include "nginx.h"

struct import;

/* Directives of a block "server" that "stream" may have for all of them. */
enum nginx_setting {
	PASS,
	TIMEOUT,
	CONNECT_TIMEOUT,
	SEND_PROXY,
	BIND,
	KEEPALIVE,
	NEXT,
	TRIES,
	UPLOAD,
	DOWNLOAD,
	PREREAD,
	NODELAY,
	LIMIT,
	SSL,
	SETTINGS
};

/**
 * struct nginx_block - what a block "server" says, or "stream" for all
 * @of: its settings, NULL for those that are not given
 * @rules: networks that are admitted and not
 * @has_rules: there are some
 */
struct nginx_block {
	const struct directive *of[SETTINGS];
	struct rules rules;
	bool has_rules;
};

/**
 * struct nginx_import - what was read so far
 * @im: what is made of it
 * @d: all directives
 * @upstreams: index of each block "upstream" by its name
 * @maps: index of each block "map" of TLS server names by its variable
 * @made: names of upstreams that were made, by what they were made of
 */
struct nginx_import {
	struct import *im;
	struct directives d;
	json_t *upstreams;
	json_t *maps;
	json_t *made;
};

/* Say that a directive cannot be carried over, with a reason or NULL. */
void nginx_refuse(struct nginx_import *f, const struct directive *d,
		  const char *why);

/* Whether a setting is given, and is "on". */
bool nginx_is_on(const struct directive *d);

/* Whether kproxy does anyway what a directive asks for, or has no use for it. */
bool nginx_ignores(const struct directive *d);

/* Read a directive of a block "server", or one that "stream" has for all. */
void nginx_read_setting(struct nginx_import *f, struct nginx_block *b,
			const struct directive *d);

/* The settings of a block as options of its upstream and its listener. */
json_t *nginx_upstream_options(struct nginx_import *f,
			       const struct nginx_block *b);
json_t *nginx_listener_options(struct nginx_import *f, struct nginx_block *b);

/*
 * The name of the upstream of @target, which is the name of a block "upstream" or an
 * address, with these options; NULL if it would have no server. @from says it.
 */
const char *nginx_upstream(struct nginx_import *f, const struct directive *from,
			   const char *target, const json_t *options);

/* Make the listeners of a block "server". */
void nginx_listener(struct nginx_import *f, const struct nginx_block *stream,
		    const struct directive *server);

#endif
