// SPDX-License-Identifier: GPL-2.0
/*
 * What "ipvsadm -S" prints, also with "ipvsadm" before each line, as in a shell
 * script. A virtual service becomes a listener and an upstream.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kproxy.h>

#include "cmd.h"
#include "compiler.h"
#include "import.h"
#include "lines.h"
#include "token.h"

enum flag {
	ADD_SERVICE,
	ADD_SERVER,
	TCP,
	OTHER_SERVICE,
	SCHEDULER,
	PERSISTENT,
	REAL_SERVER,
	WEIGHT,
	UPPER,
	DIRECT,
	IGNORED,
	IGNORED_WORD,
	UNKNOWN,
	UNKNOWN_WORD
};

static const struct {
	const char *brief;
	const char *name;
	enum flag flag;
} flags[] = {
	{ "-A", "--add-service", ADD_SERVICE },
	{ "-E", "--edit-service", ADD_SERVICE },
	{ "-a", "--add-server", ADD_SERVER },
	{ "-e", "--edit-server", ADD_SERVER },
	{ "-t", "--tcp-service", TCP },
	{ "-u", "--udp-service", OTHER_SERVICE },
	{ "-f", "--fwmark-service", OTHER_SERVICE },
	{ "", "--sctp-service", OTHER_SERVICE },
	{ "-s", "--scheduler", SCHEDULER },
	{ "-p", "--persistent", PERSISTENT },
	{ "-r", "--real-server", REAL_SERVER },
	{ "-w", "--weight", WEIGHT },
	{ "-x", "--u-threshold", UPPER },
	{ "-g", "--gatewaying", DIRECT },
	{ "-i", "--ipip", DIRECT },
	{ "-m", "--masquerading", IGNORED },
	{ "-6", "--ipv6", IGNORED },
	{ "-n", "--numeric", IGNORED },
	{ "-C", "--clear", IGNORED },
	{ "-y", "--l-threshold", IGNORED_WORD },
	{ "-o", "--ops", UNKNOWN },
	{ "-M", "--netmask", UNKNOWN_WORD },
	{ "-b", "--sched-flags", UNKNOWN_WORD },
	{ "", "--pe", UNKNOWN_WORD },
};

/**
 * struct service - the words of one line
 * @line: where it is
 * @add: it adds a service
 * @address: of the service, or NULL
 * @scheduler: its method, or NULL
 * @persistent: a client keeps its server
 * @server: the address of a server, or NULL
 * @weight: of the server
 * @upper: connections that it may have
 * @direct: packets do not come back through the director
 */
struct service {
	const struct line *line;
	bool add;
	const char *address;
	const char *scheduler;
	bool persistent;
	const char *server;
	uint64_t weight;
	uint64_t upper;
	bool direct;
};

static const struct {
	const char *name;
	const char *balance;
	const char *note;
} schedulers[] = {
	{ "rr", "roundrobin", NULL },
	{ "wrr", "roundrobin", NULL },
	{ "lc", "leastconn", NULL },
	{ "wlc", "leastconn", NULL },
	{ "sed", "leastconn", NULL },
	{ "nq", "leastconn", NULL },
	{ "sh", "maglev", NULL },
	{ "mh", "maglev", NULL },
	{ "twos", "random", NULL },
};

static void refuse(struct import *im, const struct line *line, const char *why)
{
	import_refuse(im, line->number, line->words, line->n, why);
}

static enum flag find_flag(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(flags[i].name, word) ||
		    (*flags[i].brief && !strcmp(flags[i].brief, word)))
			return flags[i].flag;
	return UNKNOWN;
}

static bool takes_word(enum flag flag)
{
	return flag == TCP || flag == OTHER_SERVICE || flag == SCHEDULER ||
	       flag == REAL_SERVER || flag == WEIGHT || flag == UPPER ||
	       flag == IGNORED_WORD || flag == UNKNOWN_WORD;
}

static bool take_flag(struct service *s, enum flag kind, const char *word)
{
	switch (kind) {
	case ADD_SERVICE:
		s->add = true;
		return true;
	case TCP:
		s->address = word;
		return true;
	case SCHEDULER:
		s->scheduler = word;
		return true;
	case PERSISTENT:
		s->persistent = true;
		return true;
	case REAL_SERVER:
		s->server = word;
		return true;
	case WEIGHT:
		return import_count(word, &s->weight);
	case UPPER:
		return import_count(word, &s->upper);
	case DIRECT:
		s->direct = true;
		return true;
	case ADD_SERVER:
	case IGNORED:
	case IGNORED_WORD:
		return true;
	case OTHER_SERVICE:
	case UNKNOWN:
	case UNKNOWN_WORD:
		break;
	}
	return false;
}

/* The time-out of "-p" need not be there. */
static size_t skip_timeout(const struct line *line, size_t i)
{
	uint64_t seconds;

	return i + 1 < line->n && import_count(line->words[i + 1], &seconds);
}

/* Return: whether the line is about a service of TCP. */
static bool read_words(struct import *im, struct service *s)
{
	const struct line *line = s->line;
	const char *word;
	enum flag flag;
	size_t i;

	for (i = line_has(line, 0, "ipvsadm"); i < line->n; i++) {
		flag = find_flag(line->words[i]);
		word = takes_word(flag) && i + 1 < line->n ?
			line->words[i + 1] : "";
		if (!take_flag(s, flag, word)) {
			if (flag == OTHER_SERVICE) {
				refuse(im, line, "only TCP services with an address");
				return false;
			}
			import_refuse(im, line->number, line->words + i,
				      1 + (takes_word(flag) && *word), NULL);
		}
		if (flag == PERSISTENT)
			i += skip_timeout(line, i);
		i += takes_word(flag);
	}
	return s->address;
}

/* A port may be the name of a service. */
static bool read_port(const char *text, uint16_t *port)
{
	const struct servent *service;

	if (!token_port(text, port))
		return true;
	service = strspn(text, TOKEN_DIGITS) ? NULL :
		getservbyname(text, "tcp");
	if (!service)
		return false;
	*port = ntohs(service->s_port);
	return true;
}

static bool read_address(char *text, const char **host, uint16_t *port)
{
	const char *name;

	lines_split_address(text, host, &name);
	return read_port(name, port);
}

static void set_scheduler(struct import *im, const struct service *s,
			  json_t *upstream)
{
	const char *balance = NULL;
	size_t i;

	for (i = 0; s->scheduler && i < ARRAY_SIZE(schedulers); i++)
		if (!strcmp(schedulers[i].name, s->scheduler))
			balance = schedulers[i].balance;
	if (s->scheduler && !balance)
		import_note(im, s->line->number, "-s %.60s: cannot be carried over: leastconn is used",
			    s->scheduler);
	/* The default of ipvsadm is wlc. */
	if (!balance)
		balance = "leastconn";
	if (s->persistent) {
		import_note(im, s->line->number, "-p: clients are kept at their servers by a hash, without a time-out");
		balance = "maglev";
	}
	if (strcmp(balance, "roundrobin"))
		json_object_set_new(upstream, "balance", json_string(balance));
}

/* Return: the name of the upstream, NULL if the address cannot be accepted on. */
static const char *make_service(struct import *im, const struct service *s,
				const char *host, uint16_t port)
{
	const char *upstream_key, *listener_key;
	json_t *upstream, *listener;
	char *name;

	name = import_text("%s-%u", host, port);
	upstream = import_upstream(im, name, &upstream_key);
	listener = import_listener(im, name, &listener_key);
	free(name);
	import_address(im, s->line->number, listener, listener_key, host, port,
		       IMPORT_V6ONLY);
	if (!json_array_size(json_object_get(listener, "listen"))) {
		json_object_del(im->listeners, listener_key);
		json_object_del(im->upstreams, upstream_key);
		return NULL;
	}
	json_object_set_new(listener, "upstream", json_string(upstream_key));
	set_scheduler(im, s, upstream);
	return upstream_key;
}

static void add_service(struct import *im, const struct service *s,
			json_t *services)
{
	char *copy = import_text("%s", s->address);
	const char *host, *upstream;
	uint16_t port;

	if (!read_address(copy, &host, &port)) {
		refuse(im, s->line, "not an address and a port");
	} else if (json_object_get(services, s->address)) {
		refuse(im, s->line, "the service is there already");
	} else {
		upstream = make_service(im, s, host, port);
		if (upstream)
			json_object_set_new(services, s->address,
					    json_string(upstream));
	}
	free(copy);
}

static uint16_t port_of(const char *address)
{
	char *copy = import_text("%s", address);
	const char *host;
	uint16_t port = 0;

	if (!read_address(copy, &host, &port))
		port = 0;
	free(copy);
	return port;
}

static void add_server(struct import *im, const struct service *s,
		       const json_t *services)
{
	const json_t *key = json_object_get(services, s->address);
	char *copy = import_text("%s", s->server);
	uint16_t port = port_of(s->address);
	const char *host = copy, *name = "";
	json_t *upstream, *row;

	upstream = json_object_get(im->upstreams, json_string_value(key));
	/* Without a port it is that of the service. */
	if (*copy == '[' ? !!strstr(copy, "]:") : strchr(copy, ':') &&
	    strchr(copy, ':') == strrchr(copy, ':'))
		lines_split_address(copy, &host, &name);
	if (!upstream) {
		refuse(im, s->line, "there is no such service");
	} else if (*name && !read_port(name, &port)) {
		refuse(im, s->line, "not an address and a port");
	} else {
		row = import_server(im, s->line->number, upstream, host, port);
		if (row) {
			import_number(im, s->line->number, row, &server_object,
				      "weight", s->weight);
			import_number(im, s->line->number, row, &server_object,
				      "maxconn", s->upper);
		}
		if (row && s->direct)
			import_note(im, s->line->number, "server %s: its answers go back through kproxy",
				    s->server);
	}
	free(copy);
}

void import_ipvsadm(struct import *im, char *text)
{
	json_t *services = json_object();
	struct service s;
	struct lines lines;
	size_t i;

	lines_read(&lines, text);
	for (i = 0; i < lines.n; i++) {
		s = (struct service){ .line = &lines.list[i], .weight = 1 };
		if (lines.list[i].words[0][0] != '-' &&
		    !line_has(&lines.list[i], 0, "ipvsadm"))
			refuse(im, s.line, NULL);
		else if (!read_words(im, &s))
			continue;
		else if (s.server)
			add_server(im, &s, services);
		else if (s.add)
			add_service(im, &s, services);
		else
			refuse(im, s.line, NULL);
	}
	lines_free(&lines);
	json_decref(services);
}
