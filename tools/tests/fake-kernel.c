// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel for tests of the command on any machine: it has upstreams and servers,
 * which it keeps in the file that KPROXY_FAKE names, so that several processes can
 * share it. Listeners are accepted and forgotten. It takes the place of nl.c's
 * functions by the linker's --wrap.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "nl.h"
#include "request.h"
#include "view.h"

int __wrap_nl_exchange(struct ctx *ctx, struct request *req, nl_reply_fn reply,
		       void *arg);
int __wrap_nl_open(struct ctx *ctx);
bool __wrap_nl_find(struct ctx *ctx);
int __wrap_nl_check(struct ctx *ctx);

/* What a transaction has changed so far, or NULL. */
static json_t *staged;

/* In the order of what is read from a message. */
struct message {
	uint8_t cmd;
	const struct nlattr *head;
	int len;
	struct nlattr *tb[FIELD_ATTR_MAX + 1];
};

int __wrap_nl_open(struct ctx *ctx)
{
	if (ctx->ifd < 0)
		ctx->ifd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return STATUS_DONE;
}

bool __wrap_nl_find(struct ctx *ctx)
{
	(void)ctx;
	return true;
}

int __wrap_nl_check(struct ctx *ctx)
{
	(void)ctx;
	return STATUS_DONE;
}

static json_t *load(void)
{
	json_t *state = json_load_file(getenv("KPROXY_FAKE"), 0, NULL);

	return state ? state : json_pack("{s:{},s:{}}", "upstreams", "servers");
}

static int save(json_t *state)
{
	char next[256];

	snprintf(next, sizeof(next), "%s.%d", getenv("KPROXY_FAKE"), getpid());
	json_dump_file(state, next, JSON_INDENT(1));
	return rename(next, getenv("KPROXY_FAKE"));
}

static json_t *pack(const void *data, int len)
{
	char *hex = malloc(2 * len + 1);
	json_t *string;
	int i;

	for (i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", ((const unsigned char *)data)[i]);
	hex[2 * len] = '\0';
	string = json_string(hex);
	free(hex);
	return string;
}

/* Add the attributes that were packed to a message, but those that @tb has. */
static void unpack(struct nl_msg *msg, const json_t *string, struct nlattr **tb)
{
	const char *hex = json_string_value(string);
	int len = strlen(hex) / 2, i, rem;
	unsigned char *data = malloc(len + 1);
	struct nlattr *attr;

	for (i = 0; i < len; i++)
		sscanf(hex + 2 * i, "%2hhx", &data[i]);
	nla_for_each_attr(attr, (struct nlattr *)data, len, rem)
		if (!tb || !tb[nla_type(attr)])
			nla_put(msg, attr->nla_type, nla_len(attr),
				nla_data(attr));
	free(data);
}

static void answer(struct nl_msg *msg, nl_reply_fn reply, void *arg)
{
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(msg));

	if (reply)
		reply(genlmsg_attrdata(hdr, 0), genlmsg_attrlen(hdr, 0), arg);
	nlmsg_free(msg);
}

static struct nl_msg *message_new(void)
{
	struct nl_msg *msg = nlmsg_alloc_size(65536);

	genlmsg_put(msg, 0, 0, 0, 0, 0, 0, 1);
	return msg;
}

static int get_upstreams(const struct ctx *ctx, const json_t *state,
			 const struct message *m, nl_reply_fn reply, void *arg)
{
	struct nlattr *name = m->tb[KPROXY_A_UPSTREAM_NAME];
	struct nl_msg *msg;
	const char *key;
	json_t *value;

	if (name && !json_object_get(json_object_get(state, "upstreams"),
				     nla_get_string(name)))
		return ctx_fail(ctx, STATUS_KERNEL, "no such upstream");
	json_object_foreach(json_object_get(state, "upstreams"), key, value) {
		if (name && strcmp(nla_get_string(name), key))
			continue;
		msg = message_new();
		nla_put_string(msg, KPROXY_A_UPSTREAM_NAME, key);
		answer(msg, reply, arg);
	}
	return STATUS_DONE;
}

/* Whether a server's key begins with the upstream that is asked for, if any. */
static bool is_asked(const char *key, struct nlattr *upstream)
{
	size_t len = upstream ? strlen(nla_get_string(upstream)) : 0;

	return !upstream || (!strncmp(key, nla_get_string(upstream), len) &&
			     key[len] == ' ');
}

static void get_servers(const json_t *state, const struct message *m,
			nl_reply_fn reply, void *arg)
{
	struct nlattr *stats;
	struct nl_msg *msg;
	const char *key;
	json_t *server;

	json_object_foreach(json_object_get(state, "servers"), key, server) {
		if (!is_asked(key, m->tb[KPROXY_A_SERVER_UPSTREAM]))
			continue;
		msg = message_new();
		unpack(msg, json_object_get(server, "attrs"), NULL);
		stats = nla_nest_start(msg, KPROXY_A_SERVER_STATS);
		nla_put_u64(msg, KPROXY_A_COUNTERS_SESSIONS,
			    json_integer_value(json_object_get(server,
							       "sessions")));
		nla_nest_end(msg, stats);
		answer(msg, reply, arg);
	}
}

/* "UPSTREAM ADDRESS" of a server, for free(). */
static char *key_of(const struct ctx *ctx, const struct message *m)
{
	json_t *row = server_view.decode(ctx, m->head, m->len);
	char *key;

	if (asprintf(&key, "%s %s",
		     json_string_value(json_object_get(row, "upstream")),
		     json_string_value(json_object_get(row, "address"))) < 0)
		abort();
	json_decref(row);
	return key;
}

static void set_server(json_t *server, const struct message *m)
{
	struct nl_msg *msg = message_new();
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(msg));
	int i;

	unpack(msg, json_object_get(server, "attrs"), (struct nlattr **)m->tb);
	for (i = 0; i <= FIELD_ATTR_MAX; i++)
		if (m->tb[i])
			nla_put(msg, m->tb[i]->nla_type, nla_len(m->tb[i]),
				nla_data(m->tb[i]));
	json_object_set_new(server, "attrs",
			    pack(genlmsg_attrdata(hdr, 0),
				 genlmsg_attrlen(hdr, 0)));
	nlmsg_free(msg);
}

/* What the kernel always sends. */
static json_t *defaults(void)
{
	struct nl_msg *msg = message_new();
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(msg));
	json_t *attrs;

	nla_put_u32(msg, KPROXY_A_SERVER_WEIGHT, 1);
	nla_put_u32(msg, KPROXY_A_SERVER_STATE, KPROXY_SERVER_STATE_UP);
	nla_put_u32(msg, KPROXY_A_SERVER_HEALTH, KPROXY_HEALTH_UNKNOWN);
	attrs = pack(genlmsg_attrdata(hdr, 0), genlmsg_attrlen(hdr, 0));
	nlmsg_free(msg);
	return attrs;
}

static int change_server(const struct ctx *ctx, json_t *state,
			 const struct message *m)
{
	json_t *servers = json_object_get(state, "servers"), *server;
	char *key = key_of(ctx, m);

	server = json_object_get(servers, key);
	if (m->cmd == KPROXY_CMD_SERVER_ADD && !server) {
		server = json_pack("{s:o,s:i}", "attrs", defaults(),
				   "sessions", 0);
		set_server(server, m);
		json_object_set_new(servers, key, server);
	} else if (m->cmd == KPROXY_CMD_SERVER_ADD || !server) {
		return ctx_fail(ctx, STATUS_KERNEL, "%s: %s", key,
				server ? "exists already" : "no such server");
	} else if (m->cmd == KPROXY_CMD_SERVER_DEL) {
		json_object_del(servers, key);
	} else {
		set_server(server, m);
	}
	free(key);
	return STATUS_DONE;
}

static int change(const struct ctx *ctx, json_t *state, const struct message *m)
{
	json_t *upstreams = json_object_get(state, "upstreams");
	const char *name;

	switch (m->cmd) {
	case KPROXY_CMD_UPSTREAM_ADD:
	case KPROXY_CMD_UPSTREAM_DEL:
		name = nla_get_string(m->tb[KPROXY_A_UPSTREAM_NAME]);
		if (m->cmd == KPROXY_CMD_UPSTREAM_ADD)
			json_object_set_new(upstreams, name, json_true());
		else
			json_object_del(upstreams, name);
		return STATUS_DONE;
	case KPROXY_CMD_SERVER_ADD:
	case KPROXY_CMD_SERVER_SET:
	case KPROXY_CMD_SERVER_DEL:
		return change_server(ctx, state, m);
	}
	return STATUS_DONE;
}

static int transact(uint8_t cmd)
{
	json_t *state = staged;

	staged = NULL;
	if (cmd == KPROXY_CMD_TRANSACTION_BEGIN)
		staged = load();
	if (cmd == KPROXY_CMD_TRANSACTION_COMMIT)
		save(state);
	json_decref(state);
	return STATUS_DONE;
}

static int run(const struct ctx *ctx, const struct message *m,
	       nl_reply_fn reply, void *arg)
{
	json_t *state = staged ? json_incref(staged) : load();
	int status = STATUS_DONE;

	if (m->cmd == KPROXY_CMD_UPSTREAM_GET)
		status = get_upstreams(ctx, state, m, reply, arg);
	else if (m->cmd == KPROXY_CMD_SERVER_GET)
		get_servers(state, m, reply, arg);
	else
		status = change(ctx, state, m);
	if (!status && !staged)
		save(state);
	json_decref(state);
	return status;
}

int __wrap_nl_exchange(struct ctx *ctx, struct request *req, nl_reply_fn reply,
		       void *arg)
{
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(req->msg));
	struct message m = { .cmd = hdr->cmd, .head = genlmsg_attrdata(hdr, 0),
			     .len = genlmsg_attrlen(hdr, 0) };

	fields_parse(m.tb, m.head, m.len);
	switch (m.cmd) {
	case KPROXY_CMD_TRANSACTION_BEGIN:
	case KPROXY_CMD_TRANSACTION_COMMIT:
	case KPROXY_CMD_TRANSACTION_ABORT:
		return transact(m.cmd);
	}
	return run(ctx, &m, reply, arg);
}
