// SPDX-License-Identifier: GPL-2.0
#include "reason.h"

#include <inttypes.h>
#include <stddef.h>

#include <linux/kproxy.h>

const char *const reason_words[] = {
	[KPROXY_REASON_NONE] = "none",
	[KPROXY_REASON_CLIENT_FIN] = "client_fin",
	[KPROXY_REASON_SERVER_FIN] = "server_fin",
	[KPROXY_REASON_CLIENT_RESET] = "client_reset",
	[KPROXY_REASON_SERVER_RESET] = "server_reset",
	[KPROXY_REASON_UNREACHABLE] = "unreachable",
	[KPROXY_REASON_IDLE_TIMEOUT] = "idle_timeout",
	[KPROXY_REASON_FIN_TIMEOUT] = "fin_timeout",
	[KPROXY_REASON_MAX_AGE] = "max_age",
	[KPROXY_REASON_KILLED] = "killed",
	[KPROXY_REASON_LISTENER_DELETED] = "listener_deleted",
	[KPROXY_REASON_SERVER_DOWN] = "server_down",
	[KPROXY_REASON_SHUTDOWN] = "shutdown",
	[KPROXY_REASON_LIMIT] = "limit",
	[KPROXY_REASON_UNSPLICED] = "unspliced",
	[KPROXY_REASON_REFUSED_NETWORK] = "refused_network",
	[KPROXY_REASON_REFUSED_LIMIT] = "refused_limit",
	[KPROXY_REASON_REFUSED_RATE] = "refused_rate",
	[KPROXY_REASON_REFUSED_NO_SERVER] = "refused_no_server",
	[KPROXY_REASON_REFUSED_HEADER] = "refused_header",
	[KPROXY_REASON_REFUSED_MEMORY] = "refused_memory",
	[KPROXY_REASON_REFUSED_LOOP] = "refused_loop",
	NULL
};

json_t *reason_json(uint32_t reason)
{
	uint32_t i;

	for (i = 0; reason_words[i]; i++)
		if (i == reason)
			return json_string(reason_words[i]);
	return json_sprintf("%" PRIu32, reason);
}
