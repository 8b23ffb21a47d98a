// SPDX-License-Identifier: GPL-2.0
/* What a block "server" of nginx says, and what "stream" says for all of them. */
#include <string.h>

#include "compiler.h"
#include "import.h"
#include "nginx-import.h"

static const char *const setting_names[] = {
	[PASS] = "proxy_pass",
	[TIMEOUT] = "proxy_timeout",
	[CONNECT_TIMEOUT] = "proxy_connect_timeout",
	[SEND_PROXY] = "proxy_protocol",
	[BIND] = "proxy_bind",
	[KEEPALIVE] = "proxy_socket_keepalive",
	[NEXT] = "proxy_next_upstream",
	[TRIES] = "proxy_next_upstream_tries",
	[UPLOAD] = "proxy_upload_rate",
	[DOWNLOAD] = "proxy_download_rate",
	[PREREAD] = "ssl_preread",
	[NODELAY] = "tcp_nodelay",
	[LIMIT] = "limit_conn",
	[SSL] = "proxy_ssl",
};

/* kproxy does this anyway, or has no use for it. */
static const char *const known_names[] = {
	"access_log", "error_log", "limit_conn_log_level", "limit_conn_zone",
	"log_format", "map_hash_bucket_size", "map_hash_max_size",
	"open_log_file_cache", "preread_buffer_size", "preread_timeout",
	"proxy_buffer_size", "proxy_half_close", "resolver",
	"resolver_timeout", "server_names_hash_bucket_size",
	"server_names_hash_max_size", "status_zone",
	"variables_hash_bucket_size", "variables_hash_max_size", "zone",
};

void nginx_refuse(struct nginx_import *f, const struct directive *d,
		  const char *why)
{
	import_refuse(f->im, d->line, d->words, d->n, why);
}

bool nginx_is_on(const struct directive *d)
{
	return d && nginx_has(d, 1, "on");
}

bool nginx_ignores(const struct directive *d)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known_names); i++)
		if (!strcmp(known_names[i], d->words[0]))
			return true;
	return false;
}

/* Return: whether the directive is one. */
static bool read_setting(struct nginx_block *b, const struct directive *d)
{
	size_t i;

	for (i = 0; i < SETTINGS; i++) {
		if (strcmp(setting_names[i], d->words[0]))
			continue;
		b->of[i] = d;
		return true;
	}
	return false;
}

static bool read_rule(struct nginx_import *f, struct nginx_block *b,
		      const struct directive *d)
{
	bool allow = nginx_has(d, 0, "allow");
	const char *network;

	if (!allow && !nginx_has(d, 0, "deny"))
		return false;
	network = d->n > 1 ? d->words[1] : "";
	if (!rules_add(&b->rules, d->line, allow,
		       strcmp(network, "all") ? network : NULL))
		nginx_refuse(f, d, "not a network");
	b->has_rules = true;
	return true;
}

void nginx_read_setting(struct nginx_import *f, struct nginx_block *b,
			const struct directive *d)
{
	if (read_setting(b, d) || read_rule(f, b, d))
		return;
	if (!nginx_ignores(d))
		nginx_refuse(f, d, d->block ? "the block is left out" : NULL);
}
