// SPDX-License-Identifier: GPL-2.0
/*
 * The counters of namespaces, listeners and servers. JSON, tables, metrics and
 * top all read these rows, in this order; there is no other list of counters.
 */
#include "counters.h"

#include <linux/kproxy.h>

#include "reason.h"

#define COUNTS_ALL (COUNTS_NETNS | COUNTS_LISTENER | COUNTS_SERVER)

const struct field counters[] = {
	{ .key = "sessions", .type = &field_number,
	  .attr = KPROXY_A_COUNTERS_SESSIONS,
	  .scopes = COUNTS_ALL | COUNTS_BRIEF,
	  .title = "SESSIONS", .line = "live sessions",
	  .metric = "active_sessions", .help = "Sessions alive." },
	{ .key = "sessions_total", .type = &field_number,
	  .attr = KPROXY_A_COUNTERS_SESSIONS_TOTAL,
	  .scopes = COUNTS_ALL | COUNTS_BRIEF,
	  .title = "TOTAL", .line = "sessions begun",
	  .metric = "sessions_total", .help = "Sessions begun." },
	{ .key = "refused", .type = &field_number,
	  .attr = KPROXY_A_COUNTERS_REFUSED,
	  .scopes = COUNTS_NETNS | COUNTS_LISTENER,
	  .title = "REFUSED", .line = "clients refused",
	  .metric = "refused_total", .help = "Clients refused." },
	{ .key = "connect_failures", .type = &field_number,
	  .attr = KPROXY_A_COUNTERS_CONNECT_FAILURES,
	  .scopes = COUNTS_ALL | COUNTS_BRIEF,
	  .title = "FAILED", .line = "connects failed",
	  .metric = "connect_failures_total",
	  .help = "Connects to a server that failed." },
	{ .key = "bytes_in", .type = &field_bytes,
	  .attr = KPROXY_A_COUNTERS_BYTES_IN,
	  .scopes = COUNTS_ALL | COUNTS_BRIEF,
	  .title = "IN", .line = "bytes in",
	  .metric = "in_bytes_total",
	  .help = "Bytes from clients to servers." },
	{ .key = "bytes_out", .type = &field_bytes,
	  .attr = KPROXY_A_COUNTERS_BYTES_OUT,
	  .scopes = COUNTS_ALL | COUNTS_BRIEF,
	  .title = "OUT", .line = "bytes out",
	  .metric = "out_bytes_total",
	  .help = "Bytes from servers to clients." },
	{ .key = "bytes_spliced", .type = &field_bytes,
	  .attr = KPROXY_A_COUNTERS_BYTES_SPLICED, .scopes = COUNTS_NETNS,
	  .line = "bytes spliced",
	  .metric = "spliced_bytes_total",
	  .help = "Bytes handed over by page reference." },
	{ .key = "bytes_copied", .type = &field_bytes,
	  .attr = KPROXY_A_COUNTERS_BYTES_COPIED, .scopes = COUNTS_NETNS,
	  .line = "bytes copied",
	  .metric = "copied_bytes_total", .help = "Bytes copied." },
	{ .key = "pumps_inline", .type = &field_number,
	  .attr = KPROXY_A_COUNTERS_PUMPS_INLINE, .scopes = COUNTS_NETNS,
	  .line = "pumps inline",
	  .metric = "pumps_inline_total",
	  .help = "Runs of a pump that were not deferred." },
	{ .key = "pumps_deferred", .type = &field_number,
	  .attr = KPROXY_A_COUNTERS_PUMPS_DEFERRED, .scopes = COUNTS_NETNS,
	  .line = "pumps deferred",
	  .metric = "pumps_deferred_total",
	  .help = "Runs of a pump deferred because a lock was busy." },
	{ .key = "stall_client_us", .type = &field_us,
	  .attr = KPROXY_A_COUNTERS_STALL_CLIENT_US, .scopes = COUNTS_ALL,
	  .title = "CLIENT-STALL", .line = "client stall",
	  .metric = "stall_client_seconds_total",
	  .help = "Time spent waiting for clients to read." },
	{ .key = "stall_server_us", .type = &field_us,
	  .attr = KPROXY_A_COUNTERS_STALL_SERVER_US, .scopes = COUNTS_ALL,
	  .title = "SERVER-STALL", .line = "server stall",
	  .metric = "stall_server_seconds_total",
	  .help = "Time spent waiting for servers to read." },
	{ .key = "end_reasons", .type = &field_by_word, .words = reason_words,
	  .attr = KPROXY_A_COUNTERS_END_REASONS, .scopes = COUNTS_ALL,
	  .title = "END-REASONS", .line = "sessions ended",
	  .metric = "sessions_ended_total",
	  .help = "Sessions ended, by end reason." },
	{}
};
