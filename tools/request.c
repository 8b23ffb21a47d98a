// SPDX-License-Identifier: GPL-2.0
/*
 * A request remembers for each attribute the word that it was made from. The
 * kernel names a bad attribute by its offset in the message, and by these
 * marks the user is shown the word instead.
 */
#include "request.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "alloc.h"

/* KPROXY_PREFIXES_MAX networks in each of two lists take half of it. */
#define REQUEST_SIZE 65536

struct request *request_new(uint8_t cmd)
{
	struct request *req = xmalloc(sizeof(*req));

	*req = (struct request){ .msg = nlmsg_alloc_size(REQUEST_SIZE) };
	/* The family is filled in when the request is sent. */
	if (!req->msg || !genlmsg_put(req->msg, NL_AUTO_PORT, NL_AUTO_SEQ, 0, 0,
				      0, cmd, KPROXY_FAMILY_VERSION))
		alloc_failed();
	return req;
}

void request_free(struct request *req)
{
	size_t i;

	for (i = 0; i < req->n_marks; i++)
		free(req->marks[i].text);
	free(req->marks);
	nlmsg_free(req->msg);
	free(req);
}

void request_set_command(struct request *req, uint8_t cmd)
{
	genlmsg_hdr(nlmsg_hdr(req->msg))->cmd = cmd;
}

/* The next attribute begins where the message ends now. */
static void mark(struct request *req, const char *what, const char *text)
{
	req->marks = xgrow(req->marks, req->n_marks + 1, sizeof(*req->marks));
	req->marks[req->n_marks++] = (struct mark){
		.offset = NLMSG_ALIGN(nlmsg_hdr(req->msg)->nlmsg_len),
		.what = what,
		.text = xstrdup(text),
		.place = req->at ? *req->at : (struct place){},
	};
}

static void add(struct request *req, uint16_t attr, const void *data, int len)
{
	if (nla_put(req->msg, attr, len, data))
		req->full = true;
}

void request_flag(struct request *req, uint16_t attr, const char *text)
{
	mark(req, text, text);
	add(req, attr, NULL, 0);
}

void request_string(struct request *req, uint16_t attr, const char *what,
		    const char *text)
{
	request_text(req, attr, what, text, text);
}

void request_text(struct request *req, uint16_t attr, const char *what,
		  const char *text, const char *value)
{
	mark(req, what, text);
	add(req, attr, value, strlen(value) + 1);
}

void request_u8(struct request *req, uint16_t attr, const char *what,
		const char *text, uint8_t value)
{
	mark(req, what, text);
	add(req, attr, &value, sizeof(value));
}

void request_u32(struct request *req, uint16_t attr, const char *what,
		 const char *text, uint32_t value)
{
	mark(req, what, text);
	add(req, attr, &value, sizeof(value));
}

void request_u64(struct request *req, uint16_t attr, const char *what,
		 const char *text, uint64_t value)
{
	mark(req, what, text);
	add(req, attr, &value, sizeof(value));
}

struct nlattr *request_nest(struct request *req, uint16_t attr,
			    const char *what, const char *text)
{
	struct nlattr *nest;

	mark(req, what, text);
	nest = nla_nest_start(req->msg, attr | NLA_F_NESTED);
	if (!nest)
		req->full = true;
	return nest;
}

void request_nest_end(struct request *req, struct nlattr *nest)
{
	nla_nest_end(req->msg, nest);
}

void request_numbers(struct request *req, uint16_t attr, const char *what,
		     const char *text, const uint32_t *numbers, uint16_t n)
{
	struct nlattr *nest = request_nest(req, attr, what, text);
	uint16_t i;

	if (!nest)
		return;
	for (i = 0; i < n; i++)
		add(req, i + 1, &numbers[i], sizeof(numbers[i]));
	request_nest_end(req, nest);
}

void request_binary(struct request *req, uint16_t attr, const char *what,
		    const char *text, const void *data, size_t len)
{
	mark(req, what, text);
	add(req, attr, data, len);
}

void request_endpoint(struct request *req, uint16_t attr, const char *what,
		      const char *text, const struct endpoint *ep)
{
	struct nlattr *nest = request_nest(req, attr, what, text);

	if (!nest)
		return;
	if (ep->family == AF_INET)
		add(req, KPROXY_A_ENDPOINT_IPV4, &ep->v4, sizeof(ep->v4));
	if (ep->family == AF_INET6)
		add(req, KPROXY_A_ENDPOINT_IPV6, &ep->v6, sizeof(ep->v6));
	if (ep->port)
		add(req, KPROXY_A_ENDPOINT_PORT, &ep->port, sizeof(ep->port));
	if (ep->scope)
		add(req, KPROXY_A_ENDPOINT_SCOPE, &ep->scope,
		    sizeof(ep->scope));
	request_nest_end(req, nest);
}

const struct mark *request_find_mark(const struct request *req, size_t offset)
{
	const struct mark *found = NULL;
	size_t i;

	if (offset >= nlmsg_hdr(req->msg)->nlmsg_len)
		return NULL;
	for (i = 0; i < req->n_marks && req->marks[i].offset <= offset; i++)
		found = &req->marks[i];
	return found;
}
