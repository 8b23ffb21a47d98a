// SPDX-License-Identifier: GPL-2.0
/*
 * Lists that change while the kernel sends them. What it answers is written
 * here; the linker gives nl.c this function in place of nl_receive().
 */
#include <stdlib.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <linux/kproxy.h>

#include "ctx.h"
#include "request.h"
#include "view.h"
#include "tap.h"

#define FAMILY 32

/* Which part of the dump says that the list has changed. */
enum part { NO_PART, FIRST_PART, LAST_PART, END };

/**
 * answers - what the kernel does
 * @interrupted: how many dumps, from the first on, are interrupted
 * @part: where they say so
 * @asked: how often a list was asked for
 * @sent: parts of this dump
 */
static struct {
	int interrupted;
	enum part part;
	int asked;
	int sent;
	uint32_t seq;
} answers;

static int take_request(struct nl_sock *sock, struct nl_msg *msg)
{
	(void)sock;
	answers.seq = nlmsg_hdr(msg)->nlmsg_seq;
	answers.asked++;
	answers.sent = 0;
	return nlmsg_hdr(msg)->nlmsg_len;
}

/* A part is a message of one upstream, named by the dump that it is of. */
static struct nl_msg *part(struct nl_sock *sock)
{
	enum part number = ++answers.sent;
	int flags = NLM_F_MULTI, none = 0;
	struct nl_msg *msg = nlmsg_alloc();
	char name[16];

	if (answers.asked <= answers.interrupted && number == answers.part)
		flags |= NLM_F_DUMP_INTR;
	if (number == END) {
		nlmsg_put(msg, nl_socket_get_local_port(sock), answers.seq,
			  NLMSG_DONE, 0, flags);
		nlmsg_append(msg, &none, sizeof(none), NLMSG_ALIGNTO);
		return msg;
	}
	snprintf(name, sizeof(name), "up-%d-%d", answers.asked, number);
	genlmsg_put(msg, nl_socket_get_local_port(sock), answers.seq, FAMILY, 0,
		    flags, KPROXY_CMD_UPSTREAM_GET, 1);
	nla_put_string(msg, KPROXY_A_UPSTREAM_NAME, name);
	return msg;
}

int __wrap_nl_receive(struct nl_sock *sock, struct sockaddr_nl *from,
		      unsigned char **buf, struct ucred **creds);

int __wrap_nl_receive(struct nl_sock *sock, struct sockaddr_nl *from,
		      unsigned char **buf, struct ucred **creds)
{
	struct nl_msg *msg = part(sock);
	int len = nlmsg_hdr(msg)->nlmsg_len;

	(void)creds;
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	*buf = malloc(NLMSG_ALIGN(len));
	memcpy(*buf, nlmsg_hdr(msg), len);
	nlmsg_free(msg);
	return len;
}

static json_t *decode(const struct ctx *ctx, const struct nlattr *head, int len)
{
	(void)ctx;
	(void)len;
	return json_string(nla_get_string(head));
}

/* Ask for a list while the first dumps are interrupted. */
static void lists(int interrupted, enum part where, int asked,
		  const char *complaint, const char *name)
{
	struct ctx ctx = { .ifd = -1, .family = FAMILY, .object = "upstream",
			   .sock = nl_socket_alloc() };
	struct request *req = request_new(KPROXY_CMD_UPSTREAM_GET);
	json_t *rows = json_array();
	char want[64], *says = NULL, *text;
	FILE *kept = stderr;
	size_t size;
	int status;

	nl_connect(ctx.sock, NETLINK_GENERIC);
	nl_cb_overwrite_send(nl_socket_get_cb(ctx.sock), take_request);
	answers.interrupted = interrupted;
	answers.part = where;
	answers.asked = 0;
	req->dump = true;
	stderr = open_memstream(&says, &size);
	status = view_fetch(&ctx, req, decode, rows);
	fclose(stderr);
	stderr = kept;
	text = json_dumps(rows, JSON_COMPACT);
	snprintf(want, sizeof(want), "[\"up-%d-1\",\"up-%d-2\"]", asked, asked);
	tap_ok(!status, name);
	tap_is(text, want, "the rows of the last one alone");
	tap_is(says, complaint, "what is said of it");
	free(text);
	free(says);
	json_decref(rows);
	request_free(req);
	nl_socket_free(ctx.sock);
}

int main(void)
{
	static const char never[] =
		"kproxy: upstream: the list changed while it was read and may be incomplete\n";

	lists(0, NO_PART, 1, "", "a list that does not change");
	lists(1, FIRST_PART, 2, "", "one that changes at its first part");
	lists(1, LAST_PART, 2, "", "at its last part");
	lists(3, END, 4, "", "at its end, three times");
	lists(1000, FIRST_PART, 10, never, "one that changes again and again");
	lists(1000, END, 10, never, "and says so at the end only");
	return tap_done();
}
