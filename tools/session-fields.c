// SPDX-License-Identifier: GPL-2.0
#include "session-fields.h"

#include <linux/kproxy.h>

#include "print.h"
#include "reason.h"

static const char *const state_words[] = {
	[KPROXY_SESSION_STATE_CONNECTING] = "connecting",
	[KPROXY_SESSION_STATE_ESTABLISHED] = "established",
	[KPROXY_SESSION_STATE_CLOSING] = "closing",
	NULL
};

static const struct field tcp_fields[] = {
	{ .key = "rtt_us", .type = &field_number,
	  .attr = KPROXY_A_TCP_RTT_US },
	{ .key = "cwnd", .type = &field_number,
	  .attr = KPROXY_A_TCP_CWND },
	{ .key = "retrans", .type = &field_number,
	  .attr = KPROXY_A_TCP_RETRANS },
	{ .key = "unacked", .type = &field_number,
	  .attr = KPROXY_A_TCP_UNACKED },
	{ .key = "rcvq", .type = &field_number,
	  .attr = KPROXY_A_TCP_RCVQ },
	{ .key = "sndq", .type = &field_number,
	  .attr = KPROXY_A_TCP_SNDQ },
	{}
};

static json_t *show_tcp(const struct ctx *ctx, const struct field *field,
			struct nlattr *attr)
{
	return fields_decode_nest(ctx, field->nested, 0, attr);
}

/* A table has room for one value of a connection. */
static void print_rtt(FILE *out, const json_t *value)
{
	print_value(out, json_object_get(value, "rtt_us"));
}

static const struct field_type tcp = {
	.show = show_tcp,
	.text = print_rtt,
	.right = true,
};

const struct field session_fields[] = {
	{ .key = "id", .type = &field_number,
	  .attr = KPROXY_A_SESSION_ID,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_COLUMN,
	  .title = "ID" },
	{ .key = "listener", .type = &field_string,
	  .attr = KPROXY_A_SESSION_LISTENER,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_COLUMN,
	  .title = "LISTENER" },
	{ .key = "upstream", .type = &field_string,
	  .attr = KPROXY_A_SESSION_UPSTREAM,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_MORE,
	  .title = "UPSTREAM" },
	{ .key = "label", .type = &field_string,
	  .attr = KPROXY_A_SESSION_LABEL, .optional = true,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_MORE,
	  .title = "LABEL" },
	{ .key = "client", .type = &field_endpoint,
	  .attr = KPROXY_A_SESSION_CLIENT,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_COLUMN,
	  .title = "CLIENT" },
	{ .key = "local", .type = &field_endpoint,
	  .attr = KPROXY_A_SESSION_LOCAL,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_MORE,
	  .title = "LOCAL" },
	{ .key = "source", .type = &field_endpoint,
	  .attr = KPROXY_A_SESSION_SOURCE,
	  .scopes = SESSION_LIVE | SESSION_ENDED | SESSION_MORE,
	  .title = "SOURCE" },
	{ .key = "server", .type = &field_endpoint,
	  .attr = KPROXY_A_SESSION_SERVER,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_COLUMN,
	  .title = "SERVER" },
	{ .key = "server_name", .type = &field_string,
	  .attr = KPROXY_A_SESSION_SERVER_NAME,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_MORE,
	  .title = "NAME" },
	{ .key = "sni", .type = &field_string,
	  .attr = KPROXY_A_SESSION_SNI,
	  .scopes = SESSION_LIVE | SESSION_BEGUN | SESSION_REFUSED | SESSION_MORE,
	  .title = "SNI" },
	{ .key = "state", .type = &field_word,
	  .attr = KPROXY_A_SESSION_STATE, .words = state_words,
	  .scopes = SESSION_LIVE | SESSION_COLUMN,
	  .title = "STATE" },
	{ .key = "start_ms", .type = &field_number,
	  .attr = KPROXY_A_SESSION_START_MS,
	  .scopes = SESSION_ENDED | SESSION_REFUSED },
	{ .key = "duration_ms", .type = &field_number,
	  .attr = KPROXY_A_SESSION_DURATION_MS,
	  .scopes = SESSION_ENDED | SESSION_REFUSED },
	{ .key = "connect_us", .type = &field_number,
	  .attr = KPROXY_A_SESSION_CONNECT_US,
	  .scopes = SESSION_ENDED },
	{ .key = "age_ms", .type = &field_age_ms,
	  .attr = KPROXY_A_SESSION_AGE_MS,
	  .scopes = SESSION_LIVE | SESSION_COLUMN,
	  .title = "AGE" },
	{ .key = "idle_ms", .type = &field_age_ms,
	  .attr = KPROXY_A_SESSION_IDLE_MS,
	  .scopes = SESSION_LIVE | SESSION_COLUMN,
	  .title = "IDLE" },
	{ .key = "cpu", .type = &field_number,
	  .attr = KPROXY_A_SESSION_CPU,
	  .scopes = SESSION_LIVE | SESSION_MORE,
	  .title = "CPU" },
	{ .key = "bytes_in", .type = &field_bytes,
	  .attr = KPROXY_A_SESSION_BYTES_IN,
	  .scopes = SESSION_LIVE | SESSION_ENDED | SESSION_COLUMN,
	  .title = "IN" },
	{ .key = "bytes_out", .type = &field_bytes,
	  .attr = KPROXY_A_SESSION_BYTES_OUT,
	  .scopes = SESSION_LIVE | SESSION_ENDED | SESSION_COLUMN,
	  .title = "OUT" },
	{ .key = "bytes_spliced", .type = &field_bytes,
	  .attr = KPROXY_A_SESSION_BYTES_SPLICED,
	  .scopes = SESSION_LIVE | SESSION_MORE,
	  .title = "SPLICED" },
	{ .key = "bytes_copied", .type = &field_bytes,
	  .attr = KPROXY_A_SESSION_BYTES_COPIED,
	  .scopes = SESSION_LIVE | SESSION_MORE,
	  .title = "COPIED" },
	{ .key = "client_tcp", .type = &tcp,
	  .attr = KPROXY_A_SESSION_CLIENT_TCP, .nested = tcp_fields,
	  .scopes = SESSION_LIVE | SESSION_MORE,
	  .title = "CLIENT-RTT-US" },
	{ .key = "server_tcp", .type = &tcp,
	  .attr = KPROXY_A_SESSION_SERVER_TCP, .nested = tcp_fields,
	  .scopes = SESSION_LIVE | SESSION_MORE,
	  .title = "SERVER-RTT-US" },
	{ .key = "stall_client_us", .type = &field_us,
	  .attr = KPROXY_A_SESSION_STALL_CLIENT_US,
	  .scopes = SESSION_LIVE | SESSION_ENDED | SESSION_MORE,
	  .title = "CLIENT-STALL" },
	{ .key = "stall_server_us", .type = &field_us,
	  .attr = KPROXY_A_SESSION_STALL_SERVER_US,
	  .scopes = SESSION_LIVE | SESSION_ENDED | SESSION_MORE,
	  .title = "SERVER-STALL" },
	{ .key = "omitted", .type = &field_number,
	  .attr = KPROXY_A_SESSION_OMITTED,
	  .scopes = SESSION_REFUSED },
	{ .key = "reason", .type = &field_word,
	  .attr = KPROXY_A_SESSION_REASON, .words = reason_words,
	  .scopes = SESSION_ENDED | SESSION_REFUSED },
	{}
};
