// SPDX-License-Identifier: GPL-2.0
/* Events, as they are told to those who listen to the multicast groups. */
#include "events.h"
#include "netlink.h"
#include "session-table.h"

const struct kproxy_event_ops kproxy_netlink_events = {
	.listener = kproxy_netlink_listener_event,
	.route = kproxy_netlink_route_event,
	.upstream = kproxy_netlink_upstream_event,
	.server = kproxy_netlink_server_event,
	.server_health = kproxy_netlink_server_health,
	.server_down = kproxy_session_kill_server,
	.session = kproxy_netlink_session_event,
	.refused = kproxy_netlink_refused,
};
