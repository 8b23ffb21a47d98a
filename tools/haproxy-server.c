// SPDX-License-Identifier: GPL-2.0
/* The lines "server" and "default-server" of HAProxy. */
#include <stddef.h>
#include <string.h>

#include "compiler.h"
#include "haproxy.h"
#include "import.h"
#include "token.h"

/* What becomes of a word of the line. */
enum kind {
	NUMBER,
	TIME,
	SET,		/* a flag of struct haproxy_server */
	CLEAR,
	PROXY_HEADER,
	OBSERVE,
	ON_DOWN,
	IGNORE,		/* kproxy does this anyway, or has no use for it */
	NOTE,		/* it works without */
	REFUSE,		/* it does not: the server would be used wrongly */
};

#define FIELD(name) offsetof(struct haproxy_server, name)

/**
 * struct keyword - a word of a server line
 * @name: the word
 * @kind: what is made of it
 * @arg: offset of the field, or number
 * @words: how many words follow it
 */
static const struct keyword {
	const char *name;
	enum kind kind;
	size_t arg;
	size_t words;
} keywords[] = {
	{ "addr", NOTE, 0, 1 },
	{ "agent-addr", NOTE, 0, 1 },
	{ "agent-check", NOTE, 0, 0 },
	{ "agent-inter", NOTE, 0, 1 },
	{ "agent-port", NOTE, 0, 1 },
	{ "agent-send", NOTE, 0, 1 },
	{ "allow-0rtt", NOTE, 0, 0 },
	{ "alpn", NOTE, 0, 1 },
	{ "backup", SET, FIELD(backup), 0 },
	{ "ca-file", NOTE, 0, 1 },
	{ "check", SET, FIELD(check), 0 },
	{ "check-alpn", NOTE, 0, 1 },
	{ "check-pool-conn-name", NOTE, 0, 1 },
	{ "check-proto", NOTE, 0, 1 },
	{ "check-send-proxy", NOTE, 0, 0 },
	{ "check-sni", NOTE, 0, 1 },
	{ "check-ssl", NOTE, 0, 0 },
	{ "check-via-socks4", NOTE, 0, 0 },
	{ "ciphers", NOTE, 0, 1 },
	{ "ciphersuites", NOTE, 0, 1 },
	{ "cookie", NOTE, 0, 1 },
	{ "crl-file", NOTE, 0, 1 },
	{ "crt", NOTE, 0, 1 },
	{ "disabled", SET, FIELD(disabled), 0 },
	{ "downinter", NOTE, 0, 1 },
	{ "enabled", CLEAR, FIELD(disabled), 0 },
	{ "error-limit", NUMBER, FIELD(error_limit), 1 },
	{ "fall", NUMBER, FIELD(fall), 1 },
	{ "fastinter", NOTE, 0, 1 },
	{ "force-sslv3", NOTE, 0, 0 },
	{ "force-tlsv10", NOTE, 0, 0 },
	{ "force-tlsv11", NOTE, 0, 0 },
	{ "force-tlsv12", NOTE, 0, 0 },
	{ "force-tlsv13", NOTE, 0, 0 },
	{ "guid", IGNORE, 0, 1 },
	{ "hash-key", NOTE, 0, 1 },
	{ "id", IGNORE, 0, 1 },
	{ "init-addr", IGNORE, 0, 1 },
	{ "init-state", NOTE, 0, 1 },
	{ "inter", TIME, FIELD(inter), 1 },
	{ "log-bufsize", NOTE, 0, 1 },
	{ "log-proto", NOTE, 0, 1 },
	{ "max-reuse", IGNORE, 0, 1 },
	{ "maxconn", NUMBER, FIELD(maxconn), 1 },
	{ "maxqueue", NOTE, 0, 1 },
	{ "minconn", NOTE, 0, 1 },
	{ "namespace", NOTE, 0, 1 },
	{ "no-backup", CLEAR, FIELD(backup), 0 },
	{ "no-check", CLEAR, FIELD(check), 0 },
	{ "no-send-proxy", PROXY_HEADER, 0, 0 },
	{ "no-send-proxy-v2", PROXY_HEADER, 0, 0 },
	{ "no-ssl", IGNORE, 0, 0 },
	{ "no-sslv3", NOTE, 0, 0 },
	{ "no-tfo", CLEAR, FIELD(fastopen), 0 },
	{ "no-tls-tickets", NOTE, 0, 0 },
	{ "no-tlsv10", NOTE, 0, 0 },
	{ "no-tlsv11", NOTE, 0, 0 },
	{ "no-tlsv12", NOTE, 0, 0 },
	{ "no-tlsv13", NOTE, 0, 0 },
	{ "no-verifyhost", NOTE, 0, 0 },
	{ "non-stick", IGNORE, 0, 0 },
	{ "npn", NOTE, 0, 1 },
	{ "observe", OBSERVE, 0, 1 },
	{ "on-error", IGNORE, 0, 1 },
	{ "on-marked-down", ON_DOWN, 0, 1 },
	{ "on-marked-up", NOTE, 0, 1 },
	{ "pool-conn-name", IGNORE, 0, 1 },
	{ "pool-low-conn", IGNORE, 0, 1 },
	{ "pool-max-conn", IGNORE, 0, 1 },
	{ "pool-purge-delay", IGNORE, 0, 1 },
	{ "port", NUMBER, FIELD(check_port), 1 },
	{ "proto", NOTE, 0, 1 },
	{ "redir", NOTE, 0, 1 },
	{ "resolve-net", NOTE, 0, 1 },
	{ "resolve-opts", NOTE, 0, 1 },
	{ "resolve-prefer", NOTE, 0, 1 },
	{ "resolvers", IGNORE, 0, 1 },
	{ "rise", NUMBER, FIELD(rise), 1 },
	{ "send-proxy", PROXY_HEADER, 1, 0 },
	{ "send-proxy-v2", PROXY_HEADER, 2, 0 },
	{ "send-proxy-v2-ssl", PROXY_HEADER, 2, 0 },
	{ "send-proxy-v2-ssl-cn", PROXY_HEADER, 2, 0 },
	{ "set-proxy-v2-tlv-fmt", NOTE, 0, 1 },
	{ "shard", NOTE, 0, 1 },
	{ "sigalgs", NOTE, 0, 1 },
	{ "slowstart", TIME, FIELD(slowstart), 1 },
	{ "sni", NOTE, 0, 1 },
	{ "sni-auto", NOTE, 0, 0 },
	{ "socks4", REFUSE, 0, 1 },
	{ "source", NOTE, 0, 1 },
	{ "interface", NOTE, 0, 1 },
	{ "usesrc", NOTE, 0, 1 },
	{ "ssl", REFUSE, 0, 0 },
	{ "ssl-max-ver", NOTE, 0, 1 },
	{ "ssl-min-ver", NOTE, 0, 1 },
	{ "ssl-reuse", NOTE, 0, 0 },
	{ "stick", IGNORE, 0, 0 },
	{ "strict-maxconn", IGNORE, 0, 0 },
	{ "tcp-ut", NOTE, 0, 1 },
	{ "tfo", SET, FIELD(fastopen), 0 },
	{ "track", NOTE, 0, 1 },
	{ "verify", NOTE, 0, 1 },
	{ "verifyhost", NOTE, 0, 1 },
	{ "weight", NUMBER, FIELD(weight), 1 },
	{ "ws", NOTE, 0, 1 },
};

static const struct keyword *find_keyword(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keywords); i++)
		if (!strcmp(keywords[i].name, name))
			return &keywords[i];
	return NULL;
}

static const char *const families[] = {
	"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@",
};

static const char *skip_family(const char *address)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (!strncmp(address, families[i], strlen(families[i])))
			return address + strlen(families[i]);
	return address;
}

static void read_address(struct import *im, const struct line *line,
			 struct haproxy_server *server)
{
	char *text = (char *)skip_family(line->words[2]);
	const char *port;
	uint16_t number;

	if (*text == '/' || strchr(text, '@') || strchr(text, '$')) {
		import_refuse(im, line->number, line->words, 3,
			      "not an address and a port");
		server->refused = true;
		return;
	}
	lines_split_address(text, &server->host, &port);
	if (!*port)
		return;
	if (token_port(port, &number)) {
		import_refuse(im, line->number, line->words, 2,
			      "not an address and a port");
		server->refused = true;
		return;
	}
	server->port = number;
}

static void set_flag(struct haproxy_server *server, size_t field, bool value)
{
	*(bool *)((char *)server + field) = value;
}

static bool set_number(struct haproxy_server *server,
		       const struct keyword *keyword, const char *text)
{
	uint64_t *field = (uint64_t *)((char *)server + keyword->arg);

	return keyword->kind == TIME ? import_time(text, "ms", field) :
				       import_count(text, field);
}

/* @words has the keyword and what follows it. Return: whether it was read. */
static bool read_word(struct haproxy_server *server,
		      const struct keyword *keyword, char *const *words)
{
	switch (keyword->kind) {
	case NUMBER:
	case TIME:
		return set_number(server, keyword, words[1]);
	case SET:
		set_flag(server, keyword->arg, true);
		return true;
	case CLEAR:
		set_flag(server, keyword->arg, false);
		return true;
	case PROXY_HEADER:
		server->send_proxy = keyword->arg;
		return true;
	case OBSERVE:
		server->observe = !strcmp(words[1], "layer4");
		return server->observe;
	case ON_DOWN:
		server->reset = !strcmp(words[1], "shutdown-sessions");
		return server->reset;
	case IGNORE:
		return true;
	case REFUSE:
		server->refused = true;
		return false;
	case NOTE:
		break;
	}
	return false;
}

static const char *why_refused(const struct keyword *keyword)
{
	if (!strcmp(keyword->name, "ssl"))
		return "kproxy does not encrypt, the server is left out";
	if (keyword->kind == REFUSE)
		return "the server is left out";
	return NULL;
}

static void read_words(struct import *im, const struct line *line, size_t i,
		       struct haproxy_server *server)
{
	const struct keyword *keyword;
	size_t n;

	for (; i < line->n; i += n) {
		keyword = find_keyword(line->words[i]);
		n = 1 + (keyword ? keyword->words : 0);
		if (n > line->n - i)
			n = line->n - i;
		if (!keyword || n <= keyword->words)
			import_refuse(im, line->number, line->words + i, n,
				      NULL);
		else if (!read_word(server, keyword, line->words + i))
			import_refuse(im, line->number, line->words + i, n,
				      why_refused(keyword));
	}
}

void haproxy_server(struct import *im, const struct line *line,
		    struct haproxy_server *server)
{
	bool is_default = line_has(line, 0, "default-server");

	server->line = line->number;
	if (is_default) {
		read_words(im, line, 1, server);
		return;
	}
	if (line->n < 3) {
		import_refuse(im, line->number, line->words, line->n,
			      "it has no address");
		server->refused = true;
		return;
	}
	read_address(im, line, server);
	read_words(im, line, 3, server);
}
