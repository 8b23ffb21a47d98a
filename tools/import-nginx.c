// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of nginx's stream module. A block "server" becomes a
 * listener. Some options of an upstream are the block's in nginx; if two blocks
 * differ in them, the upstream becomes two.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import-rules.h"
#include "lines.h"
#include "nginx.h"
#include "option.h"
#include "token.h"

/* Directives of a block "server" that "stream" may have for all of them. */
enum setting {
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

/**
 * struct block - what a block "server" says, or "stream" for all
 * @of: its settings, NULL for those that are not given
 * @rules: networks that are admitted and not
 * @has_rules: there are some
 */
struct block {
	const struct directive *of[SETTINGS];
	struct rules rules;
	bool has_rules;
};

/**
 * struct file - what was read so far
 * @im: what is made of it
 * @d: all directives
 * @upstreams: index of each block "upstream" by its name
 * @maps: index of each block "map" of TLS server names by its variable
 * @made: names of upstreams that were made, by what they were made of
 */
struct file {
	struct import *im;
	struct directives d;
	json_t *upstreams;
	json_t *maps;
	json_t *made;
};

static void refuse(struct file *f, const struct directive *d, const char *why)
{
	import_refuse(f->im, d->line, d->words, d->n, why);
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Return: whether the directive is one. */
static bool read_setting(struct block *b, const struct directive *d)
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

static bool read_rule(struct file *f, struct block *b,
		      const struct directive *d)
{
	bool allow = nginx_has(d, 0, "allow");
	const char *network;

	if (!allow && !nginx_has(d, 0, "deny"))
		return false;
	network = d->n > 1 ? d->words[1] : "";
	if (!rules_add(&b->rules, d->line, allow,
		       strcmp(network, "all") ? network : NULL))
		refuse(f, d, "not a network");
	b->has_rules = true;
	return true;
}

/* What a block has beside those that are read elsewhere. */
static void read_one(struct file *f, struct block *b, const struct directive *d)
{
	if (read_setting(b, d) || read_rule(f, b, d))
		return;
	if (!is_one_of(d->words[0], known_names, ARRAY_SIZE(known_names)))
		refuse(f, d, d->block ? "the block is left out" : NULL);
}

/* A limit on servers that all of an upstream share. */
static void set_eject(struct file *f, json_t *row, const struct directive *d,
		      bool first)
{
	const char *fails = nginx_value(d, "max_fails");
	const char *time = nginx_value(d, "fail_timeout");
	json_t *eject = json_object();
	uint64_t count = 1, ms = 10000;

	if ((fails && !import_count(fails, &count)) ||
	    (time && !import_time(time, "s", &ms)))
		refuse(f, d, "max_fails or fail_timeout is not one");
	import_number(f->im, d->line, eject, &upstream_object, "eject", count);
	if (count)
		import_number(f->im, d->line, eject, &upstream_object,
			      "eject-time", ms);
	if (first)
		json_object_update(row, eject);
	else if (!json_equal(json_object_get(row, "eject"),
			     json_object_get(eject, "eject")) ||
		 !json_equal(json_object_get(row, "eject-time"),
			     json_object_get(eject, "eject-time")))
		import_note(f->im, d->line, "max_fails, fail_timeout: all servers of an upstream have those of the first");
	json_decref(eject);
}

static const char *const server_words[] = {
	"weight", "max_fails", "fail_timeout", "max_conns", "slow_start",
};

static bool is_server_value(const char *word)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(server_words); i++) {
		len = strlen(server_words[i]);
		if (!strncmp(word, server_words[i], len) && word[len] == '=')
			return true;
	}
	return false;
}

static void set_server_number(struct file *f, const struct directive *d,
			      json_t *row, const char *key, const char *name)
{
	const char *text = nginx_value(d, key);
	uint64_t value;

	if (!text)
		return;
	if (import_count(text, &value))
		import_number(f->im, d->line, row, &server_object, name, value);
	else
		import_note(f->im, d->line, "%s: not a number", key);
}

static void set_slow_start(struct file *f, const struct directive *d,
			   json_t *upstream)
{
	const char *text = nginx_value(d, "slow_start");
	uint64_t ms;

	if (!text)
		return;
	if (import_knows(&upstream_object, "slow-start", NULL) &&
	    import_time(text, "s", &ms))
		import_number(f->im, d->line, upstream, &upstream_object,
			      "slow-start", ms);
	else
		import_note(f->im, d->line, "slow_start: cannot be carried over");
}

static void read_server_words(struct file *f, const struct directive *d,
			      json_t *row)
{
	const char *word;
	size_t i;

	for (i = 2; i < d->n; i++) {
		word = d->words[i];
		if (!strcmp(word, "backup"))
			json_object_set_new(row, "backup", json_string("on"));
		else if (!strcmp(word, "down"))
			json_object_set_new(row, "state", json_string("down"));
		else if (strcmp(word, "resolve") && !is_server_value(word))
			import_refuse(f->im, d->line, d->words + i, 1, NULL);
	}
}

/* An address and a port of @text, which is a copy. */
static bool read_address(char *text, const char **host, uint16_t *port)
{
	const char *name;

	if (!strncmp(text, "unix:", 5))
		return false;
	lines_split_address(text, host, &name);
	return !token_port(name, port);
}

static json_t *add_server(struct file *f, const struct directive *d,
			  const char *address, json_t *upstream)
{
	char *copy = xstrdup(address);
	json_t *row = NULL;
	const char *host;
	uint16_t port;

	if (read_address(copy, &host, &port))
		row = import_server(f->im, d->line, upstream, host, port);
	else
		refuse(f, d, "not an address and a port");
	free(copy);
	return row;
}

static void make_server(struct file *f, const struct directive *d,
			json_t *upstream)
{
	bool first = !json_array_size(json_object_get(upstream, "servers"));
	json_t *row;

	if (d->n < 2)
		return;
	row = add_server(f, d, d->words[1], upstream);
	if (!row)
		return;
	set_server_number(f, d, row, "weight", "weight");
	set_server_number(f, d, row, "max_conns", "maxconn");
	read_server_words(f, d, row);
	set_eject(f, upstream, d, first);
	set_slow_start(f, d, upstream);
}

/* Return: NULL for a directive that does not choose a server. */
static const char *balance_of(const struct directive *d, const char **why)
{
	*why = NULL;
	if (nginx_has(d, 0, "least_conn"))
		return "leastconn";
	if (nginx_has(d, 0, "ip_hash"))
		return "maglev";
	if (nginx_has(d, 0, "random"))
		return "random";
	if (nginx_has(d, 0, "least_time")) {
		if (import_knows(&upstream_object, "balance", "latency"))
			return "latency";
		*why = "leastconn is used";
		return "leastconn";
	}
	if (!nginx_has(d, 0, "hash"))
		return NULL;
	if (!nginx_has(d, 1, "$remote_addr") &&
	    !nginx_has(d, 1, "$binary_remote_addr"))
		*why = "the client's address is hashed";
	return "maglev";
}

static void read_upstream(struct file *f, const struct directive *d,
			  json_t *row)
{
	const char *balance, *why;

	if (nginx_has(d, 0, "server")) {
		make_server(f, d, row);
		return;
	}
	balance = balance_of(d, &why);
	if (balance)
		json_object_set_new(row, "balance", json_string(balance));
	else if (!is_one_of(d->words[0], known_names, ARRAY_SIZE(known_names)))
		refuse(f, d, NULL);
	if (why)
		refuse(f, d, why);
}

/* All of them are tried, unless there is a limit. */
static void set_retries(struct file *f, json_t *row, const json_t *options)
{
	size_t n = json_array_size(json_object_get(row, "servers"));

	if (!json_object_get(options, "retries") && n > 3)
		import_number(f->im, 0, row, &upstream_object, "retries",
			      n > 65 ? 64 : n - 1);
}

/*
 * Make an upstream of a block, or of the address that "proxy_pass" has.
 * Return: its name, or NULL
 */
static const char *make_upstream(struct file *f, const struct directive *from,
				 const char *target, const json_t *options)
{
	const json_t *index = json_object_get(f->upstreams, target);
	const struct directive *block;
	const char *key;
	json_t *row;
	size_t i;

	row = import_upstream(f->im, target, &key);
	if (index) {
		block = &f->d.list[json_integer_value(index)];
		for (i = block - f->d.list + 1; i < block->end; i++)
			read_upstream(f, &f->d.list[i], row);
		set_retries(f, row, options);
	} else {
		add_server(f, from, target, row);
	}
	json_object_update(row, (json_t *)options);
	if (json_array_size(json_object_get(row, "servers")))
		return key;
	json_object_del(f->im->upstreams, key);
	return NULL;
}

static const char *upstream_for(struct file *f, const struct directive *from,
				const char *target, const json_t *options)
{
	char *text = json_dumps(options, JSON_SORT_KEYS), *id;
	const char *key;

	id = import_text("%s %s", target, text);
	free(text);
	key = json_string_value(json_object_get(f->made, id));
	if (!key) {
		key = make_upstream(f, from, target, options);
		if (key)
			json_object_set_new(f->made, id, json_string(key));
	}
	free(id);
	return key;
}

static bool is_on(const struct directive *d)
{
	return d && nginx_has(d, 1, "on");
}

static const char *set_bind(const struct directive *d, json_t *row)
{
	struct rules rules = {};
	const char *address = d->n > 1 ? d->words[1] : "";
	bool good;

	if (!strcmp(address, "off"))
		return NULL;
	if (!strcmp(address, "$remote_addr")) {
		json_object_set_new(row, "source", json_string("client"));
		return NULL;
	}
	good = !strchr(address, '/') && rules_add(&rules, 0, true, address);
	rules_free(&rules);
	if (!good)
		return "not an address";
	json_object_set_new(row, "source", json_string(address));
	return NULL;
}

/* "64k" bytes a second. */
static void set_pacing(struct file *f, const struct directive *d,
		       const struct object *object, json_t *row)
{
	char text[OPTION_TEXT_MAX];
	uint64_t bytes;
	size_t i;

	if (!d)
		return;
	snprintf(text, sizeof(text), "%s", d->n > 1 ? d->words[1] : "");
	for (i = 0; text[i]; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] += 'a' - 'A';
	if (token_size(text, &bytes))
		refuse(f, d, "not a rate");
	else
		import_number(f->im, d->line, row, object, "pacing", bytes);
}

static void set_nodelay(const struct directive *d, json_t *row)
{
	if (d && nginx_has(d, 1, "off"))
		json_object_set_new(row, "nodelay", json_string("off"));
}

static void set_tries(struct file *f, const struct block *b, json_t *row)
{
	const struct directive *d = b->of[TRIES];
	uint64_t tries;

	if (b->of[NEXT] && nginx_has(b->of[NEXT], 1, "off"))
		json_object_set_new(row, "retries", json_integer(0));
	else if (d && (d->n < 2 || !import_count(d->words[1], &tries)))
		refuse(f, d, "not a number");
	else if (d && tries == 3)
		json_object_set_new(row, "retries", json_integer(2));
	else if (d && tries)
		import_number(f->im, d->line, row, &upstream_object, "retries",
			      tries - 1);
}

/* Options of the upstream that the block has. */
static json_t *upstream_options(struct file *f, const struct block *b)
{
	json_t *row = json_object();
	const char *why;

	if (is_on(b->of[SEND_PROXY]))
		json_object_set_new(row, "send-proxy", json_string("v1"));
	if (b->of[BIND]) {
		why = set_bind(b->of[BIND], row);
		if (why)
			refuse(f, b->of[BIND], why);
	}
	set_pacing(f, b->of[UPLOAD], &upstream_object, row);
	set_nodelay(b->of[NODELAY], row);
	set_tries(f, b, row);
	return row;
}

static void set_time(struct file *f, const struct block *b, enum setting which,
		     const char *name, uint64_t def, json_t *row)
{
	const struct directive *d = b->of[which];
	uint64_t ms = def;

	if (d && (d->n < 2 || !import_time(d->words[1], "s", &ms)))
		refuse(f, d, "not a time");
	import_number(f->im, d ? d->line : 0, row, &listener_object, name, ms);
}

static void set_limit(struct file *f, const struct block *b, json_t *row)
{
	const struct directive *d = b->of[LIMIT];
	uint64_t count;

	if (!d)
		return;
	if (d->n < 3 || !import_count(d->words[2], &count)) {
		refuse(f, d, "not a number");
		return;
	}
	import_number(f->im, d->line, row, &listener_object, "client-maxconn",
		      count);
}

static json_t *listener_options(struct file *f, struct block *b)
{
	json_t *row = json_object();

	set_time(f, b, CONNECT_TIMEOUT, "connect-timeout", 60000, row);
	set_time(f, b, TIMEOUT, "idle-timeout", 600000, row);
	set_pacing(f, b->of[DOWNLOAD], &listener_object, row);
	set_nodelay(b->of[NODELAY], row);
	set_limit(f, b, row);
	rules_set(f->im, &b->rules, row);
	return row;
}

/* The names of a line of a map: ".b" is b and *.b. */
static void add_name(struct file *f, const struct directive *d, json_t *row,
		     const char *name, const char *key)
{
	char *suffix;

	if (*name == '\\')
		name++;
	if (*name != '.') {
		import_route(f->im, d->line, row, name, key);
		return;
	}
	suffix = import_text("*%s", name);
	import_route(f->im, d->line, row, name + 1, key);
	import_route(f->im, d->line, row, suffix, key);
	free(suffix);
}

/* Return: the upstream of a name that no line has, NULL for none. */
static const char *read_map(struct file *f, const struct directive *map,
			    const json_t *options, json_t *row)
{
	const struct directive *d;
	const char *own = NULL, *key;
	size_t i;

	for (i = map - f->d.list + 1; i < map->end; i++) {
		d = &f->d.list[i];
		if (nginx_has(d, 0, "hostnames") || nginx_has(d, 0, "volatile"))
			continue;
		if (d->n != 2 || d->words[0][0] == '~' ||
		    nginx_has(d, 0, "include")) {
			refuse(f, d, NULL);
			continue;
		}
		key = upstream_for(f, d, d->words[1], options);
		/* Of an address it has been said already. */
		if (!key && json_object_get(f->upstreams, d->words[1]))
			refuse(f, d, "the upstream has no server");
		else if (!key)
			continue;
		else if (nginx_has(d, 0, "default"))
			own = key;
		else
			add_name(f, d, row, d->words[0], key);
	}
	return own;
}

/* Return: the upstream of the block, or NULL. */
static const char *read_pass(struct file *f, const struct block *b,
			     json_t *row)
{
	const struct directive *pass = b->of[PASS];
	const char *target = pass->n > 1 ? pass->words[1] : "";
	json_t *options = upstream_options(f, b);
	const json_t *index = json_object_get(f->maps, target);
	const char *key = NULL;

	if (*target != '$') {
		key = upstream_for(f, pass, target, options);
	} else if (!index || !is_on(b->of[PREREAD])) {
		refuse(f, pass, "only a map of $ssl_preread_server_name");
	} else {
		key = read_map(f, &f->d.list[json_integer_value(index)],
			       options, row);
		/* Others are refused, by an upstream without servers. */
		if (!key && json_object_get(row, "routes"))
			import_upstream(f->im, "none", &key);
	}
	json_decref(options);
	return key;
}

static const char *set_so_keepalive(const char *text, json_t *row)
{
	char copy[OPTION_TEXT_MAX], *rest = copy, *part;
	uint64_t ms[] = { 7200000, 75000 }, count = 9;
	size_t i;

	if (!strcmp(text, "on"))
		return NULL;
	if (!strcmp(text, "off")) {
		json_object_set_new(row, "keepalive", json_string("off"));
		return NULL;
	}
	snprintf(copy, sizeof(copy), "%s", text);
	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		part = strsep(&rest, ":");
		if (part && *part && !import_time(part, "s", &ms[i]))
			return "not a time";
	}
	if (rest && *rest && !import_count(rest, &count))
		return "not a number";
	return import_keepalive(row, ms[0], ms[1], count);
}

static void set_size(struct file *f, const struct directive *d,
		     const char *name, json_t *row)
{
	const char *text = nginx_value(d, name);
	uint64_t bytes;

	if (!text)
		return;
	if (token_size(text, &bytes))
		import_note(f->im, d->line, "%s: not a size", name);
	else
		import_number(f->im, d->line, row, &listener_object, name,
			      bytes);
}

static void set_backlog(struct file *f, const struct directive *d, json_t *row)
{
	const char *text = nginx_value(d, "backlog");
	uint64_t n;

	if (!text || !strcmp(text, "-1"))
		return;
	if (import_count(text, &n))
		import_number(f->im, d->line, row, &listener_object, "backlog",
			      n);
	else
		import_note(f->im, d->line, "backlog: not a number");
}

/* Options of the listening socket. Return: NULL, or why it cannot be one. */
static const char *listen_options(struct file *f, const struct directive *d,
				  json_t *row)
{
	const char *keepalive = nginx_value(d, "so_keepalive");
	const char *why;
	size_t i;

	for (i = 2; i < d->n; i++) {
		if (nginx_has(d, i, "ssl"))
			return "kproxy does not end TLS, the address is left out";
		if (nginx_has(d, i, "udp"))
			return "only TCP, the address is left out";
		if (nginx_has(d, i, "proxy_protocol"))
			json_object_set_new(row, "accept-proxy",
					    json_string("on"));
	}
	if (nginx_value(d, "fastopen"))
		json_object_set_new(row, "fastopen", json_string("on"));
	set_backlog(f, d, row);
	set_size(f, d, "rcvbuf", row);
	set_size(f, d, "sndbuf", row);
	if (!keepalive)
		return NULL;
	why = set_so_keepalive(keepalive, row);
	if (why)
		import_note(f->im, d->line, "so_keepalive: %s", why);
	return NULL;
}

/* "443", "10.0.0.1:443", "[::]:8000-8010"; @text is a copy. */
static bool read_listen(char *text, const char **host, uint16_t *first,
			uint16_t *last)
{
	const char *ports;
	char *dash;

	if (!strncmp(text, "unix:", 5))
		return false;
	if (strchr(text, ':')) {
		lines_split_address(text, host, &ports);
	} else {
		*host = "*";
		ports = text;
	}
	if (!strcmp(*host, "*"))
		*host = "0.0.0.0";
	if (!strcmp(*host, "localhost"))
		*host = "127.0.0.1";
	dash = strchr(ports, '-');
	if (dash)
		*dash++ = '\0';
	return !token_port(ports, first) &&
	       !token_port(dash ? dash : ports, last) && *last >= *first &&
	       *last - *first < 256;
}

static void make_listen(struct file *f, const struct directive *d,
			const json_t *options, struct import_variants *made)
{
	const char *upstream, *host, *key, *why, *dual;
	json_t *want = json_deep_copy(options), *row;
	char *copy = xstrdup(d->n > 1 ? d->words[1] : ""), *name;
	uint16_t first, last;
	unsigned int port;

	upstream = json_string_value(json_object_get(options, "upstream"));
	dual = nginx_value(d, "ipv6only");
	why = listen_options(f, d, want);
	if (!why && !read_listen(copy, &host, &first, &last))
		why = "not an address and a port";
	if (why) {
		refuse(f, d, why);
	} else {
		name = import_text("%s-%u", upstream, first);
		row = import_variant(f->im, made, name, want, &key);
		free(name);
		for (port = first; port <= last; port++)
			import_address(f->im, d->line, row, key, host, port,
				       dual && !strcmp(dual, "off") ?
				       IMPORT_DUAL : IMPORT_V6ONLY);
	}
	free(copy);
	json_decref(want);
}

static void make_listens(struct file *f, const struct directive *server,
			 const json_t *options)
{
	struct import_variants made = {};
	size_t i;

	for (i = server - f->d.list + 1; i < server->end; i++)
		if (nginx_has(&f->d.list[i], 0, "listen"))
			make_listen(f, &f->d.list[i], options, &made);
	if (!import_variants_end(f->im, &made))
		refuse(f, server, "it has no address");
}

/* Rules of the block take the place of those around it. */
static void read_server(struct file *f, const struct block *stream,
			const struct directive *server)
{
	struct block b = {};
	const char *upstream;
	json_t *options;
	size_t i;

	memcpy(b.of, stream->of, sizeof(b.of));
	for (i = server - f->d.list + 1; i < server->end;
	     i = f->d.list[i].end)
		if (!nginx_has(&f->d.list[i], 0, "listen"))
			read_one(f, &b, &f->d.list[i]);
	if (is_on(b.of[SSL])) {
		refuse(f, b.of[SSL], "kproxy does not encrypt, the server is left out");
		rules_free(&b.rules);
		return;
	}
	if (!b.of[PASS]) {
		refuse(f, server, "it has no proxy_pass");
		rules_free(&b.rules);
		return;
	}
	if (!b.has_rules)
		rules_copy(&b.rules, &stream->rules);
	options = listener_options(f, &b);
	upstream = read_pass(f, &b, options);
	if (upstream) {
		json_object_set_new(options, "upstream",
				    json_string(upstream));
		make_listens(f, server, options);
	} else {
		refuse(f, server, "it has no upstream");
	}
	json_decref(options);
	rules_free(&b.rules);
}

/* Return: whether the block is one that others refer to. */
static bool read_named(struct file *f, const struct directive *d)
{
	size_t index = d - f->d.list;

	if (nginx_has(d, 0, "upstream") && d->n == 2 && d->block)
		json_object_set_new(f->upstreams, d->words[1],
				    json_integer(index));
	else if (nginx_has(d, 0, "map") && d->n == 3 && d->block &&
		 nginx_has(d, 1, "$ssl_preread_server_name"))
		json_object_set_new(f->maps, d->words[2],
				    json_integer(index));
	else
		return false;
	return true;
}

static bool is_server(const struct directive *d)
{
	return nginx_has(d, 0, "server") && d->block;
}

/* Blocks may refer to those behind them. */
static void read_stream(struct file *f, size_t begin, size_t end)
{
	struct block stream = {};
	const struct directive *d;
	size_t i;

	for (i = begin; i < end; i = d->end) {
		d = &f->d.list[i];
		if (!read_named(f, d) && !is_server(d))
			read_one(f, &stream, d);
	}
	for (i = begin; i < end; i = f->d.list[i].end)
		if (is_server(&f->d.list[i]))
			read_server(f, &stream, &f->d.list[i]);
	rules_free(&stream.rules);
}

/* Outside of "stream" only what carries bytes is missed. */
static void read_outside(struct file *f, const struct directive *d)
{
	if (nginx_has(d, 0, "http") || nginx_has(d, 0, "mail"))
		refuse(f, d, "the block is left out");
	else if (nginx_has(d, 0, "include"))
		refuse(f, d, "import that file by itself");
}

/* A file of a directory that "stream" includes has its blocks at the top. */
static void read_all(struct file *f)
{
	const struct directive *d;
	bool whole = false;
	size_t i;

	for (i = 0; i < f->d.n; i = f->d.list[i].end)
		whole |= nginx_has(&f->d.list[i], 0, "stream") ||
			 nginx_has(&f->d.list[i], 0, "events") ||
			 nginx_has(&f->d.list[i], 0, "http");
	if (!whole) {
		read_stream(f, 0, f->d.n);
		return;
	}
	for (i = 0; i < f->d.n; i = d->end) {
		d = &f->d.list[i];
		if (nginx_has(d, 0, "stream") && d->block)
			read_stream(f, i + 1, d->end);
		else
			read_outside(f, d);
	}
}

void import_nginx(struct import *im, char *text)
{
	struct file f = { .im = im, .upstreams = json_object(),
			  .maps = json_object(), .made = json_object() };
	struct nginx_fault fault;

	if (!nginx_read(&f.d, text, &fault))
		import_note(im, fault.line, "%s, what follows is left out",
			    fault.why);
	read_all(&f);
	nginx_free(&f.d);
	json_decref(f.upstreams);
	json_decref(f.maps);
	json_decref(f.made);
}
