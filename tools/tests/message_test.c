// SPDX-License-Identifier: GPL-2.0
/*
 * Messages without a kernel: what a request holds, what an object made of a
 * reply looks like, and how a refusal is explained.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/kproxy.h>

#include "ack.h"
#include "addr.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "field.h"
#include "option.h"
#include "request.h"
#include "view.h"
#include "tap.h"

#define NOWHERE { .ifd = -1, .object = "listener" }

static const struct nlattr *attributes(struct request *req, int *len)
{
	struct genlmsghdr *hdr = genlmsg_hdr(nlmsg_hdr(req->msg));

	*len = genlmsg_attrlen(hdr, 0);
	return genlmsg_attrdata(hdr, 0);
}

/* A listener request of a name and two addresses. */
static struct request *listener_request(void)
{
	char list[] = "10.0.0.1:80,[2001:db8::1]:443", *argv[] = { list };
	struct request *req = request_new(KPROXY_CMD_LISTENER_ADD);
	struct args args = { .argc = 1, .argv = argv };
	struct ctx ctx = NOWHERE;

	request_string(req, KPROXY_A_LISTENER_NAME, "name", "web");
	args_addresses(&ctx, &args, req, KPROXY_A_LISTENER_ADDRESS);
	request_u32(req, KPROXY_A_LISTENER_MAXCONN, "maxconn", "7", 7);
	return req;
}

static void test_addresses_are_nested(void)
{
	struct request *req = listener_request();
	static const char *const want[] = {
		"10.0.0.1:80", "[2001:db8::1]:443"
	};
	struct ctx ctx = NOWHERE;
	const struct nlattr *head;
	struct nlattr *attr;
	int len, rem, n = 0;
	json_t *text;

	head = attributes(req, &len);
	nla_for_each_attr(attr, (struct nlattr *)head, len, rem) {
		if (nla_type(attr) != KPROXY_A_LISTENER_ADDRESS)
			continue;
		tap_ok(attr->nla_type & NLA_F_NESTED, "an address is a nest");
		text = field_endpoint.show(&ctx, NULL, attr);
		tap_is(json_string_value(text), want[n++], "an address is sent");
		json_decref(text);
	}
	tap_ok(n == 2, "each address is sent once");
	request_free(req);
}

/* Find the mark of the @nth attribute of @type, @inside its header. */
static const char *marked(struct request *req, int type, int nth, int inside)
{
	const struct nlattr *head;
	struct nlattr *attr;
	int len, rem;

	head = attributes(req, &len);
	nla_for_each_attr(attr, (struct nlattr *)head, len, rem)
		if (nla_type(attr) == type && !nth--)
			return request_find_mark(req, (char *)attr + inside -
						 (char *)nlmsg_hdr(req->msg))->text;
	return NULL;
}

static void test_offset_becomes_word(void)
{
	struct request *req = listener_request();

	tap_is(marked(req, KPROXY_A_LISTENER_NAME, 0, 0), "web", "name");
	tap_is(marked(req, KPROXY_A_LISTENER_ADDRESS, 0, 0), "10.0.0.1:80",
	       "first address");
	tap_is(marked(req, KPROXY_A_LISTENER_ADDRESS, 1, 0),
	       "[2001:db8::1]:443", "second address");
	tap_is(marked(req, KPROXY_A_LISTENER_ADDRESS, 1, NLA_HDRLEN),
	       "[2001:db8::1]:443", "inside the second address");
	tap_is(marked(req, KPROXY_A_LISTENER_MAXCONN, 0, 0), "7", "option");
	tap_ok(!request_find_mark(req, 0), "no attribute is at 0");
	tap_ok(!request_find_mark(req, 100000), "nor behind the end");
	request_free(req);
}

/* As netlink_ack() does it: the number, the request or its header, the rest. */
static struct nl_msg *error_message(struct request *req, int error, bool cap,
				    const char *text, int offset)
{
	struct nl_msg *msg = nlmsg_alloc_simple(NLMSG_ERROR, NLM_F_ACK_TLVS |
						(cap ? NLM_F_CAPPED : 0));
	struct nlmsghdr *asked = nlmsg_hdr(req->msg);
	int len = cap ? NLMSG_HDRLEN : (int)asked->nlmsg_len;

	nlmsg_append(msg, &error, sizeof(error), 0);
	nlmsg_append(msg, asked, len, NLMSG_ALIGNTO);
	if (text)
		nla_put_string(msg, NLMSGERR_ATTR_MSG, text);
	if (offset)
		nla_put_u32(msg, NLMSGERR_ATTR_OFFS, offset);
	return msg;
}

static void explain(const char *want, int error, const char *text,
		    size_t mark, bool cap)
{
	struct request *req = listener_request();
	struct nl_msg *msg;
	struct ack ack;
	char why[256];

	msg = error_message(req, -error, cap, text, req->marks[mark].offset);
	ack_parse(&ack, nlmsg_hdr(msg));
	ack_explain(&ack, req, "web", why, sizeof(why));
	tap_is(why, want, want);
	tap_ok(ack.error == error, "the error number is read");
	nlmsg_free(msg);
	request_free(req);
}

static void test_refusal_is_explained(void)
{
	explain("address 10.0.0.1:80 is already in use", EADDRINUSE,
		"address is already in use", 1, true);
	explain("address 10.0.0.1:80 is already in use", EADDRINUSE,
		"address 10.0.0.1:80 is already in use", 1, true);
	explain("address 10.0.0.1:80: address [::1]:80 is already in use",
		EADDRINUSE, "address [::1]:80 is already in use", 1, true);
	explain("address [2001:db8::1]:443: already in use", EADDRINUSE,
		"already in use", 2, true);
	explain("maxconn 7: too many", ERANGE, "too many", 3, false);
	explain("maxconn 7: 77 is too many", ERANGE, "77 is too many", 3, true);
	explain("no such listener", ENOENT, "no such listener", 0, true);
	explain("already exists", EEXIST, NULL, 0, true);
	explain("address 10.0.0.1:80: cannot assign requested address",
		EADDRNOTAVAIL, NULL, 1, true);
	explain("operation not permitted (CAP_NET_ADMIN in this network namespace is needed)",
		EPERM, NULL, 0, true);
}

static void test_dump_ends_with_error(void)
{
	struct nl_msg *msg = nlmsg_alloc_simple(NLMSG_DONE, NLM_F_MULTI |
						NLM_F_ACK_TLVS);
	int error = -ENOENT;
	struct ack ack;

	nlmsg_append(msg, &error, sizeof(error), NLMSG_ALIGNTO);
	nla_put_string(msg, NLMSGERR_ATTR_MSG, "no such upstream");
	ack_parse(&ack, nlmsg_hdr(msg));
	tap_ok(ack.error == ENOENT, "a dump may end with an error");
	tap_is(ack.message, "no such upstream", "and with its reason");
	nlmsg_free(msg);
}

static void test_short_messages_are_survived(void)
{
	struct nl_msg *msg = nlmsg_alloc_simple(NLMSG_ERROR, NLM_F_ACK_TLVS);
	struct ack ack;

	ack_parse(&ack, nlmsg_hdr(msg));
	tap_ok(!ack.error, "an error message without a number");
	nlmsg_hdr(msg)->nlmsg_type = NLMSG_DONE;
	ack_parse(&ack, nlmsg_hdr(msg));
	tap_ok(!ack.error, "an end message without a number");
	nlmsg_free(msg);
}

/* A server as the kernel sends it, with counters of both sizes of uint. */
static struct request *server_reply(uint32_t state)
{
	struct endpoint ep = { .family = AF_INET6, .port = 80, .scope = 4711 };
	struct request *req = request_new(KPROXY_CMD_SERVER_GET);
	struct nlattr *nest;

	inet_pton(AF_INET6, "fe80::1", &ep.v6);
	request_string(req, KPROXY_A_SERVER_UPSTREAM, "", "app");
	request_endpoint(req, KPROXY_A_SERVER_ADDRESS, "", "", &ep);
	request_u32(req, KPROXY_A_SERVER_WEIGHT, "", "", 1);
	request_u32(req, KPROXY_A_SERVER_STATE, "", "", state);
	request_u32(req, KPROXY_A_SERVER_HEALTH, "", "", KPROXY_HEALTH_UP);
	nest = nla_nest_start(req->msg, KPROXY_A_SERVER_STATS);
	nla_put_u32(req->msg, KPROXY_A_COUNTERS_SESSIONS, 3);
	nla_put_u64(req->msg, KPROXY_A_COUNTERS_BYTES_IN, 1ULL << 40);
	nla_nest_end(req->msg, nest);
	return req;
}

static void decodes_to(uint32_t state, bool stats, const char *want)
{
	struct ctx ctx = { .ifd = -1, .stats = stats };
	struct request *req = server_reply(state);
	const struct nlattr *head;
	json_t *row;
	char *text;
	int len;

	head = attributes(req, &len);
	row = server_view.decode(&ctx, head, len);
	text = json_dumps(row, JSON_COMPACT);
	tap_is(text, want, stats ? "server with counters" : "server");
	free(text);
	json_decref(row);
	request_free(req);
}

static void test_server_is_decoded(void)
{
	decodes_to(KPROXY_SERVER_STATE_DRAIN, true,
		   "{\"upstream\":\"app\",\"address\":\"[fe80::1%4711]:80\",\"weight\":1,\"state\":\"drain\",\"health\":\"up\",\"stats\":{\"sessions\":3,\"sessions_total\":0,\"connect_failures\":0,\"bytes_in\":1099511627776,\"bytes_out\":0,\"stall_client_us\":0,\"stall_server_us\":0,\"end_reasons\":{\"client_fin\":0,\"server_fin\":0,\"client_reset\":0,\"server_reset\":0,\"unreachable\":0,\"idle_timeout\":0,\"fin_timeout\":0,\"max_age\":0,\"killed\":0,\"listener_deleted\":0,\"server_down\":0,\"shutdown\":0,\"limit\":0,\"unspliced\":0,\"refused_network\":0,\"refused_limit\":0,\"refused_rate\":0,\"refused_no_server\":0,\"refused_header\":0,\"refused_memory\":0,\"refused_loop\":0}}}");
	decodes_to(9, false,
		   "{\"upstream\":\"app\",\"address\":\"[fe80::1%4711]:80\",\"weight\":1,\"state\":\"9\",\"health\":\"up\"}");
}

/* An option's word, sent and shown again; NULL for what is not shown. */
static void shown_as(const struct option_type *type, const char *text,
		     const char *want)
{
	const struct option_spec option = { .name = "option", .type = type,
					    .attr = 1, .max = 15 };
	struct request *req = request_new(KPROXY_CMD_LISTENER_SET);
	struct ctx ctx = NOWHERE;
	json_t *value = NULL;
	int len, status;

	status = type->put(&ctx, &option, text, req);
	tap_ok(!status, text);
	tap_is(req->marks[0].text, text, "the word is remembered");
	value = type->get(&option, (struct nlattr *)attributes(req, &len));
	if (want)
		tap_is(json_string_value(value), want, text);
	else
		tap_ok(!value, text);
	json_decref(value);
	request_free(req);
}

static void test_options_of_sockets(void)
{
	shown_as(&option_keepalive, "30s,5s,3", "30s,5s,3");
	shown_as(&option_keepalive, "2m,1000ms,127", "120s,1s,127");
	shown_as(&option_keepalive, "off", "off");
	shown_as(&option_keepalive, "60s,10s,6", NULL);
	shown_as(&option_choice, "bbr", "bbr");
	shown_as(&option_choice, "default", NULL);
}

static void test_most_addresses_fit(void)
{
	struct endpoint ep = { .family = AF_INET6, .port = 1, .scope = 1 };
	struct request *req = request_new(KPROXY_CMD_LISTENER_ADD);
	int i;

	for (i = 0; i < KPROXY_ADDRESSES_MAX; i++)
		request_endpoint(req, KPROXY_A_LISTENER_ADDRESS, "address", "",
				 &ep);
	tap_ok(!req->full, "the most addresses of a listener fit");
	for (i = 0; i < 5000; i++)
		request_endpoint(req, KPROXY_A_LISTENER_ADDRESS, "address", "",
				 &ep);
	tap_ok(req->full, "what does not fit is noticed");
	request_free(req);
}

int main(void)
{
	test_addresses_are_nested();
	test_offset_becomes_word();
	test_refusal_is_explained();
	test_dump_ends_with_error();
	test_short_messages_are_survived();
	test_server_is_decoded();
	test_options_of_sockets();
	test_most_addresses_fit();
	return tap_done();
}
