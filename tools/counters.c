// SPDX-License-Identifier: GPL-2.0
#include "counters.h"

#include <linux/kproxy.h>

#include "reason.h"

#define COUNTER(key, attr) { key, KPROXY_A_COUNTERS_ ## attr, field_uint, \
			     NULL, NULL }
#define ENDS { "ends", KPROXY_A_COUNTERS_ENDS, field_by_word, reason_words, \
	       NULL }

const struct field counters_of_listener[] = {
	COUNTER("sessions", SESSIONS),
	COUNTER("sessions_total", SESSIONS_TOTAL),
	COUNTER("refused", REFUSED),
	COUNTER("connect_failures", CONNECT_FAILURES),
	COUNTER("bytes_in", BYTES_IN),
	COUNTER("bytes_out", BYTES_OUT),
	COUNTER("stall_client_us", STALL_CLIENT_US),
	COUNTER("stall_server_us", STALL_SERVER_US),
	ENDS,
	{}
};

const struct field counters_of_server[] = {
	COUNTER("sessions", SESSIONS),
	COUNTER("sessions_total", SESSIONS_TOTAL),
	COUNTER("connect_failures", CONNECT_FAILURES),
	COUNTER("bytes_in", BYTES_IN),
	COUNTER("bytes_out", BYTES_OUT),
	COUNTER("stall_client_us", STALL_CLIENT_US),
	COUNTER("stall_server_us", STALL_SERVER_US),
	ENDS,
	{}
};

const struct field counters_of_netns[] = {
	COUNTER("sessions", SESSIONS),
	COUNTER("sessions_total", SESSIONS_TOTAL),
	COUNTER("refused", REFUSED),
	COUNTER("connect_failures", CONNECT_FAILURES),
	COUNTER("bytes_in", BYTES_IN),
	COUNTER("bytes_out", BYTES_OUT),
	COUNTER("bytes_spliced", BYTES_SPLICED),
	COUNTER("bytes_copied", BYTES_COPIED),
	COUNTER("pumps_inline", PUMPS_INLINE),
	COUNTER("pumps_deferred", PUMPS_DEFERRED),
	COUNTER("stall_client_us", STALL_CLIENT_US),
	COUNTER("stall_server_us", STALL_SERVER_US),
	ENDS,
	{}
};
