// SPDX-License-Identifier: GPL-2.0
/* The lines "bind" of HAProxy: those with the same options become a listener. */
#include "haproxy.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "token.h"

/**
 * struct bind - the words behind the addresses of a line "bind"
 * @accept_proxy: clients send a header
 * @transparent: foreign addresses are accepted on
 * @fastopen: data may come with the SYN
 * @dual: whether an IPv6 address takes IPv4, too
 * @maxconn: of these addresses
 * @backlog: the same
 * @user_timeout: the same
 * @refused: the addresses cannot be carried over
 */
struct bind {
	bool accept_proxy;
	bool transparent;
	bool fastopen;
	enum import_dual dual;
	struct haproxy_setting maxconn;
	struct haproxy_setting backlog;
	struct haproxy_setting user_timeout;
	bool refused;
};

static const struct bind_word {
	const char *name;
	size_t words;
} bind_words[] = {
	/* kproxy has no use for these. */
	{ "expose-fd", 1 }, { "gid", 1 }, { "group", 1 }, { "guid-prefix", 1 },
	{ "id", 1 }, { "idle-ping", 1 }, { "label", 1 }, { "level", 1 },
	{ "mode", 1 }, { "name", 1 }, { "nice", 1 }, { "no-alpn", 0 },
	{ "process", 1 }, { "severity-output", 1 }, { "shards", 1 },
	{ "thread", 1 }, { "uid", 1 }, { "user", 1 },
};

static bool skip_bind_word(const struct line *line, size_t *i)
{
	size_t k;

	for (k = 0; k < ARRAY_SIZE(bind_words); k++)
		if (line_has(line, *i, bind_words[k].name)) {
			*i += bind_words[k].words;
			return true;
		}
	return false;
}

static bool bind_flag(struct bind *bind, const char *word)
{
	if (!strcmp(word, "accept-proxy"))
		bind->accept_proxy = true;
	else if (!strcmp(word, "transparent"))
		bind->transparent = true;
	else if (!strcmp(word, "tfo"))
		bind->fastopen = true;
	else if (!strcmp(word, "v4v6"))
		bind->dual = IMPORT_DUAL;
	else if (!strcmp(word, "v6only"))
		bind->dual = IMPORT_V6ONLY;
	else
		return false;
	return true;
}

static bool bind_number(struct bind *bind, const struct line *line, size_t *i)
{
	struct line rest = { line->number, line->words + *i, line->n - *i };
	const char *why;

	if (line_has(line, *i, "maxconn"))
		why = haproxy_set_count(&bind->maxconn, &rest);
	else if (line_has(line, *i, "backlog"))
		why = haproxy_set_count(&bind->backlog, &rest);
	else if (line_has(line, *i, "tcp-ut"))
		why = haproxy_set_time(&bind->user_timeout, line, *i + 1, "ms");
	else
		return false;
	++*i;
	return !why;
}

static void read_bind(struct haproxy_file *f, const struct line *line,
		      struct bind *bind)
{
	size_t i;

	*bind = (struct bind){ .dual = IMPORT_DUAL_IF_FREE };
	for (i = 2; i < line->n; i++) {
		if (bind_flag(bind, line->words[i]) ||
		    bind_number(bind, line, &i) || skip_bind_word(line, &i))
			continue;
		if (line_has(line, i, "ssl") ||
		    line_has(line, i, "accept-netscaler-cip") ||
		    line_has(line, i, "interface") ||
		    line_has(line, i, "namespace") ||
		    !strncmp(line->words[i], "quic", 4)) {
			bind->refused = true;
			import_refuse(f->im, line->number, line->words, line->n,
				      line_has(line, i, "ssl") ?
				      "kproxy does not end TLS, the address is left out" :
				      "the address is left out");
			return;
		}
		import_refuse(f->im, line->number, line->words + i, 1, NULL);
	}
}

/* "8000-8010", or one port. */
static bool read_ports(const char *text, uint16_t *first, uint16_t *last)
{
	char copy[16], *dash;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash++ = '\0';
	return !token_port(copy, first) &&
	       !token_port(dash ? dash : copy, last) && *last >= *first;
}

static const char *skip_bind_family(const char *text, const char **any)
{
	*any = "0.0.0.0";
	if (!strncmp(text, "ipv4@", 5) || !strncmp(text, "tcp4@", 5))
		return text + 5;
	if (!strncmp(text, "ipv6@", 5) || !strncmp(text, "tcp6@", 5)) {
		*any = "::";
		return text + 5;
	}
	return text;
}

static void add_bind(struct haproxy_frontend *fe, const struct line *line,
		     const struct bind *bind, const char *text, json_t *row,
		     const char *key)
{
	const char *host, *ports, *any;
	char *copy = xstrdup(skip_bind_family(text, &any));
	uint16_t first, last;
	unsigned int port;

	lines_split_address(copy, &host, &ports);
	if (!*host || !strcmp(host, "*"))
		host = any;
	/* ":::80" */
	if (!strcmp(host, "::") || !strcmp(host, ":"))
		host = "::";
	if (strpbrk(copy, "/@$") || !read_ports(ports, &first, &last))
		import_refuse(fe->f->im, line->number, (char **)&text, 1,
			      "not an address and a port");
	else if (last - first >= 256)
		import_refuse(fe->f->im, line->number, (char **)&text, 1,
			      "too many ports");
	else
		for (port = first; port <= last; port++)
			import_address(fe->f->im, line->number, row, key, host,
				       port, bind->dual);
	free(copy);
}

/* All addresses of a listener have the same options of their sockets. */
static void set_bind(struct haproxy_file *f, const struct bind *bind, json_t *row)
{
	haproxy_set(f, row, &listener_object, "maxconn", &bind->maxconn);
	haproxy_set(f, row, &listener_object, "backlog", &bind->backlog);
	haproxy_set(f, row, &listener_object, "user-timeout", &bind->user_timeout);
	if (bind->accept_proxy)
		json_object_set_new(row, "accept-proxy", json_string("on"));
	if (bind->transparent)
		json_object_set_new(row, "transparent", json_string("on"));
	if (bind->fastopen)
		json_object_set_new(row, "fastopen", json_string("on"));
}

/* The listener of the section with these options, which may be a new one. */
static json_t *listener_for(struct haproxy_frontend *fe, struct import_variants *made,
			    const struct bind *bind, const char **key)
{
	json_t *want = json_deep_copy(fe->row), *row;

	set_bind(fe->f, bind, want);
	row = import_variant(fe->f->im, made, fe->p->name, want, key);
	json_decref(want);
	return row;
}

static void make_bind(struct haproxy_frontend *fe, const struct line *line,
		      struct import_variants *made)
{
	char *list, *rest, *text;
	struct bind bind;
	const char *key;
	json_t *row;

	if (line->n < 2) {
		haproxy_refuse(fe->f, line, "it has no address");
		return;
	}
	read_bind(fe->f, line, &bind);
	if (bind.refused)
		return;
	row = listener_for(fe, made, &bind, &key);
	list = xstrdup(line->words[1]);
	rest = list;
	while ((text = strsep(&rest, ",")))
		add_bind(fe, line, &bind, text, row, key);
	free(list);
}

void haproxy_binds(struct haproxy_frontend *fe)
{
	struct import_variants made = {};
	size_t i;

	for (i = 0; i < fe->p->binds.n; i++)
		make_bind(fe, &fe->p->binds.list[i], &made);
	if (!import_variants_end(fe->f->im, &made))
		import_note(fe->f->im, fe->p->line, "%s %s: left out, it has no address",
			    haproxy_sections[fe->p->kind], fe->p->name);
}
