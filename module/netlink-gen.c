// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	docs/netlink/kproxy.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/kproxy.h>

/* Integer value ranges */
static const struct netlink_range_validation kproxy_a_listener_backlog_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation kproxy_a_listener_connect_timeout_range = {
	.min	= 1ULL,
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_idle_timeout_range = {
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_fin_timeout_range = {
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_max_age_range = {
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_rcvbuf_range = {
	.max	= KPROXY_BUFFER_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_sndbuf_range = {
	.max	= KPROXY_BUFFER_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_user_timeout_range = {
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_pacing_range = {
	.max	= KPROXY_RATE_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_drain_deadline_range = {
	.min	= 1ULL,
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_listener_log_sample_range = {
	.min	= 1ULL,
	.max	= 1000000ULL,
};

static const struct netlink_range_validation kproxy_a_upstream_rcvbuf_range = {
	.max	= KPROXY_BUFFER_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_sndbuf_range = {
	.max	= KPROXY_BUFFER_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_user_timeout_range = {
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_pacing_range = {
	.max	= KPROXY_RATE_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_eject_range = {
	.max	= 65535ULL,
};

static const struct netlink_range_validation kproxy_a_upstream_eject_time_range = {
	.min	= 1ULL,
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_interval_range = {
	.min	= 10ULL,
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_timeout_range = {
	.min	= 1ULL,
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_upstream_check_port_range = {
	.max	= 65535ULL,
};

static const struct netlink_range_validation kproxy_a_upstream_slow_start_range = {
	.max	= KPROXY_TIME_MAX,
};

static const struct netlink_range_validation kproxy_a_server_maxconn_range = {
	.max	= KPROXY_MAXCONN_MAX,
};

static const struct netlink_range_validation kproxy_a_route_port_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation kproxy_a_splice_idle_timeout_range = {
	.max	= KPROXY_TIME_MAX,
};

/* Common nested types */
const struct nla_policy kproxy_endpoint_nl_policy[KPROXY_A_ENDPOINT_SCOPE + 1] = {
	[KPROXY_A_ENDPOINT_IPV4] = { .type = NLA_U32, },
	[KPROXY_A_ENDPOINT_IPV6] = NLA_POLICY_EXACT_LEN(16),
	[KPROXY_A_ENDPOINT_PORT] = { .type = NLA_U16, },
	[KPROXY_A_ENDPOINT_SCOPE] = { .type = NLA_U32, },
};

const struct nla_policy kproxy_keepalive_nl_policy[KPROXY_A_KEEPALIVE_COUNT + 1] = {
	[KPROXY_A_KEEPALIVE_IDLE] = NLA_POLICY_MAX(NLA_U32, 32767),
	[KPROXY_A_KEEPALIVE_INTERVAL] = NLA_POLICY_RANGE(NLA_U32, 1, 32767),
	[KPROXY_A_KEEPALIVE_COUNT] = NLA_POLICY_RANGE(NLA_U32, 1, 127),
};

const struct nla_policy kproxy_source_nl_policy[KPROXY_A_SOURCE_ADDRESS + 1] = {
	[KPROXY_A_SOURCE_MODE] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_SOURCE_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
};

/* KPROXY_CMD_LISTENER_GET - do */
static const struct nla_policy kproxy_listener_get_nl_policy[KPROXY_A_LISTENER_NAME + 1] = {
	[KPROXY_A_LISTENER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
};

/* KPROXY_CMD_LISTENER_ADD - do */
static const struct nla_policy kproxy_listener_add_nl_policy[KPROXY_A_LISTENER_LOG_SAMPLE + 1] = {
	[KPROXY_A_LISTENER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_LISTENER_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_LISTENER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_LISTENER_MAXCONN] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_BACKLOG] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_backlog_range),
	[KPROXY_A_LISTENER_CONNECT_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_connect_timeout_range),
	[KPROXY_A_LISTENER_IDLE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_idle_timeout_range),
	[KPROXY_A_LISTENER_FIN_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_fin_timeout_range),
	[KPROXY_A_LISTENER_MAX_AGE] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_max_age_range),
	[KPROXY_A_LISTENER_NODELAY] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_KEEPALIVE] = NLA_POLICY_NESTED(kproxy_keepalive_nl_policy),
	[KPROXY_A_LISTENER_RCVBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_rcvbuf_range),
	[KPROXY_A_LISTENER_SNDBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_sndbuf_range),
	[KPROXY_A_LISTENER_CONGESTION] = { .type = NLA_NUL_STRING, .len = KPROXY_CONGESTION_MAX, },
	[KPROXY_A_LISTENER_USER_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_user_timeout_range),
	[KPROXY_A_LISTENER_NOTSENT_LOWAT] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_DSCP] = NLA_POLICY_MAX(NLA_U32, 63),
	[KPROXY_A_LISTENER_MARK] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_FASTOPEN] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_PACING] = NLA_POLICY_FULL_RANGE(NLA_UINT, &kproxy_a_listener_pacing_range),
	[KPROXY_A_LISTENER_RATE] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_CLIENT_MAXCONN] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_CLIENT_RATE] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_ALLOW] = { .type = NLA_BINARY, },
	[KPROXY_A_LISTENER_DENY] = { .type = NLA_BINARY, },
	[KPROXY_A_LISTENER_ACCEPT_PROXY] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_TRANSPARENT] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_LOG_SAMPLE] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_log_sample_range),
};

/* KPROXY_CMD_LISTENER_SET - do */
static const struct nla_policy kproxy_listener_set_nl_policy[KPROXY_A_LISTENER_LOG_SAMPLE + 1] = {
	[KPROXY_A_LISTENER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_LISTENER_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_LISTENER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_LISTENER_MAXCONN] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_BACKLOG] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_backlog_range),
	[KPROXY_A_LISTENER_CONNECT_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_connect_timeout_range),
	[KPROXY_A_LISTENER_IDLE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_idle_timeout_range),
	[KPROXY_A_LISTENER_FIN_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_fin_timeout_range),
	[KPROXY_A_LISTENER_MAX_AGE] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_max_age_range),
	[KPROXY_A_LISTENER_NODELAY] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_KEEPALIVE] = NLA_POLICY_NESTED(kproxy_keepalive_nl_policy),
	[KPROXY_A_LISTENER_RCVBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_rcvbuf_range),
	[KPROXY_A_LISTENER_SNDBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_sndbuf_range),
	[KPROXY_A_LISTENER_CONGESTION] = { .type = NLA_NUL_STRING, .len = KPROXY_CONGESTION_MAX, },
	[KPROXY_A_LISTENER_USER_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_user_timeout_range),
	[KPROXY_A_LISTENER_NOTSENT_LOWAT] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_DSCP] = NLA_POLICY_MAX(NLA_U32, 63),
	[KPROXY_A_LISTENER_MARK] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_FASTOPEN] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_PACING] = NLA_POLICY_FULL_RANGE(NLA_UINT, &kproxy_a_listener_pacing_range),
	[KPROXY_A_LISTENER_RATE] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_CLIENT_MAXCONN] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_CLIENT_RATE] = { .type = NLA_U32, },
	[KPROXY_A_LISTENER_ALLOW] = { .type = NLA_BINARY, },
	[KPROXY_A_LISTENER_DENY] = { .type = NLA_BINARY, },
	[KPROXY_A_LISTENER_ACCEPT_PROXY] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_TRANSPARENT] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_LISTENER_LOG_SAMPLE] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_log_sample_range),
};

/* KPROXY_CMD_LISTENER_DEL - do */
static const struct nla_policy kproxy_listener_del_nl_policy[KPROXY_A_LISTENER_KILL + 1] = {
	[KPROXY_A_LISTENER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_LISTENER_KILL] = { .type = NLA_FLAG, },
};

/* KPROXY_CMD_UPSTREAM_GET - do */
static const struct nla_policy kproxy_upstream_get_nl_policy[KPROXY_A_UPSTREAM_NAME + 1] = {
	[KPROXY_A_UPSTREAM_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
};

/* KPROXY_CMD_UPSTREAM_ADD - do */
static const struct nla_policy kproxy_upstream_add_nl_policy[KPROXY_A_UPSTREAM_FAIL_OPEN + 1] = {
	[KPROXY_A_UPSTREAM_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_UPSTREAM_BALANCE] = NLA_POLICY_MAX(NLA_U32, 4),
	[KPROXY_A_UPSTREAM_RETRIES] = NLA_POLICY_MAX(NLA_U32, 64),
	[KPROXY_A_UPSTREAM_EJECT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_eject_range),
	[KPROXY_A_UPSTREAM_EJECT_TIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_eject_time_range),
	[KPROXY_A_UPSTREAM_CHECK] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_UPSTREAM_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_interval_range),
	[KPROXY_A_UPSTREAM_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_timeout_range),
	[KPROXY_A_UPSTREAM_RISE] = NLA_POLICY_RANGE(NLA_U32, 1, 1000),
	[KPROXY_A_UPSTREAM_FALL] = NLA_POLICY_RANGE(NLA_U32, 1, 1000),
	[KPROXY_A_UPSTREAM_NODELAY] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_KEEPALIVE] = NLA_POLICY_NESTED(kproxy_keepalive_nl_policy),
	[KPROXY_A_UPSTREAM_RCVBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_rcvbuf_range),
	[KPROXY_A_UPSTREAM_SNDBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_sndbuf_range),
	[KPROXY_A_UPSTREAM_CONGESTION] = { .type = NLA_NUL_STRING, .len = KPROXY_CONGESTION_MAX, },
	[KPROXY_A_UPSTREAM_USER_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_user_timeout_range),
	[KPROXY_A_UPSTREAM_NOTSENT_LOWAT] = { .type = NLA_U32, },
	[KPROXY_A_UPSTREAM_DSCP] = NLA_POLICY_MAX(NLA_U32, 63),
	[KPROXY_A_UPSTREAM_MARK] = { .type = NLA_U32, },
	[KPROXY_A_UPSTREAM_FASTOPEN] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_PACING] = NLA_POLICY_FULL_RANGE(NLA_UINT, &kproxy_a_upstream_pacing_range),
	[KPROXY_A_UPSTREAM_SEND_PROXY] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_UPSTREAM_SOURCE] = NLA_POLICY_NESTED(kproxy_source_nl_policy),
	[KPROXY_A_UPSTREAM_PRECONNECT] = NLA_POLICY_MAX(NLA_U32, KPROXY_PRECONNECT_MAX),
	[KPROXY_A_UPSTREAM_CHECK_SEND] = { .type = NLA_BINARY, },
	[KPROXY_A_UPSTREAM_CHECK_EXPECT] = { .type = NLA_BINARY, },
	[KPROXY_A_UPSTREAM_CHECK_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_check_port_range),
	[KPROXY_A_UPSTREAM_FAILBACK] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_ON_DOWN] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_SLOW_START] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_slow_start_range),
	[KPROXY_A_UPSTREAM_FAIL_OPEN] = NLA_POLICY_MAX(NLA_U32, 1),
};

/* KPROXY_CMD_UPSTREAM_SET - do */
static const struct nla_policy kproxy_upstream_set_nl_policy[KPROXY_A_UPSTREAM_FAIL_OPEN + 1] = {
	[KPROXY_A_UPSTREAM_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_UPSTREAM_BALANCE] = NLA_POLICY_MAX(NLA_U32, 4),
	[KPROXY_A_UPSTREAM_RETRIES] = NLA_POLICY_MAX(NLA_U32, 64),
	[KPROXY_A_UPSTREAM_EJECT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_eject_range),
	[KPROXY_A_UPSTREAM_EJECT_TIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_eject_time_range),
	[KPROXY_A_UPSTREAM_CHECK] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_UPSTREAM_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_interval_range),
	[KPROXY_A_UPSTREAM_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_timeout_range),
	[KPROXY_A_UPSTREAM_RISE] = NLA_POLICY_RANGE(NLA_U32, 1, 1000),
	[KPROXY_A_UPSTREAM_FALL] = NLA_POLICY_RANGE(NLA_U32, 1, 1000),
	[KPROXY_A_UPSTREAM_NODELAY] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_KEEPALIVE] = NLA_POLICY_NESTED(kproxy_keepalive_nl_policy),
	[KPROXY_A_UPSTREAM_RCVBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_rcvbuf_range),
	[KPROXY_A_UPSTREAM_SNDBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_sndbuf_range),
	[KPROXY_A_UPSTREAM_CONGESTION] = { .type = NLA_NUL_STRING, .len = KPROXY_CONGESTION_MAX, },
	[KPROXY_A_UPSTREAM_USER_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_user_timeout_range),
	[KPROXY_A_UPSTREAM_NOTSENT_LOWAT] = { .type = NLA_U32, },
	[KPROXY_A_UPSTREAM_DSCP] = NLA_POLICY_MAX(NLA_U32, 63),
	[KPROXY_A_UPSTREAM_MARK] = { .type = NLA_U32, },
	[KPROXY_A_UPSTREAM_FASTOPEN] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_PACING] = NLA_POLICY_FULL_RANGE(NLA_UINT, &kproxy_a_upstream_pacing_range),
	[KPROXY_A_UPSTREAM_SEND_PROXY] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_UPSTREAM_SOURCE] = NLA_POLICY_NESTED(kproxy_source_nl_policy),
	[KPROXY_A_UPSTREAM_PRECONNECT] = NLA_POLICY_MAX(NLA_U32, KPROXY_PRECONNECT_MAX),
	[KPROXY_A_UPSTREAM_CHECK_SEND] = { .type = NLA_BINARY, },
	[KPROXY_A_UPSTREAM_CHECK_EXPECT] = { .type = NLA_BINARY, },
	[KPROXY_A_UPSTREAM_CHECK_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_check_port_range),
	[KPROXY_A_UPSTREAM_FAILBACK] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_ON_DOWN] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_UPSTREAM_SLOW_START] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_upstream_slow_start_range),
	[KPROXY_A_UPSTREAM_FAIL_OPEN] = NLA_POLICY_MAX(NLA_U32, 1),
};

/* KPROXY_CMD_UPSTREAM_DEL - do */
static const struct nla_policy kproxy_upstream_del_nl_policy[KPROXY_A_UPSTREAM_NAME + 1] = {
	[KPROXY_A_UPSTREAM_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
};

/* KPROXY_CMD_SERVER_GET - do */
static const struct nla_policy kproxy_server_get_do_nl_policy[KPROXY_A_SERVER_ADDRESS + 1] = {
	[KPROXY_A_SERVER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SERVER_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
};

/* KPROXY_CMD_SERVER_GET - dump */
static const struct nla_policy kproxy_server_get_dump_nl_policy[KPROXY_A_SERVER_UPSTREAM + 1] = {
	[KPROXY_A_SERVER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
};

/* KPROXY_CMD_SERVER_ADD - do */
static const struct nla_policy kproxy_server_add_nl_policy[KPROXY_A_SERVER_HEALTH_SET + 1] = {
	[KPROXY_A_SERVER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SERVER_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_SERVER_WEIGHT] = NLA_POLICY_MAX(NLA_U32, KPROXY_WEIGHT_MAX),
	[KPROXY_A_SERVER_STATE] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_SERVER_MAXCONN] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_server_maxconn_range),
	[KPROXY_A_SERVER_BACKUP] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_SERVER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SERVER_PRIORITY] = NLA_POLICY_MAX(NLA_U32, KPROXY_PRIORITY_MAX),
	[KPROXY_A_SERVER_HEALTH_SET] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* KPROXY_CMD_SERVER_SET - do */
static const struct nla_policy kproxy_server_set_nl_policy[KPROXY_A_SERVER_HEALTH_SET + 1] = {
	[KPROXY_A_SERVER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SERVER_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_SERVER_WEIGHT] = NLA_POLICY_MAX(NLA_U32, KPROXY_WEIGHT_MAX),
	[KPROXY_A_SERVER_STATE] = NLA_POLICY_MAX(NLA_U32, 2),
	[KPROXY_A_SERVER_MAXCONN] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_server_maxconn_range),
	[KPROXY_A_SERVER_BACKUP] = NLA_POLICY_MAX(NLA_U32, 1),
	[KPROXY_A_SERVER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SERVER_PRIORITY] = NLA_POLICY_MAX(NLA_U32, KPROXY_PRIORITY_MAX),
	[KPROXY_A_SERVER_HEALTH_SET] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* KPROXY_CMD_SERVER_DEL - do */
static const struct nla_policy kproxy_server_del_nl_policy[KPROXY_A_SERVER_ADDRESS + 1] = {
	[KPROXY_A_SERVER_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SERVER_ADDRESS] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
};

/* KPROXY_CMD_SESSION_GET - dump */
static const struct nla_policy kproxy_session_get_nl_policy[KPROXY_A_SESSION_SERVER + 1] = {
	[KPROXY_A_SESSION_ID] = { .type = NLA_UINT, },
	[KPROXY_A_SESSION_LISTENER] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SESSION_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SESSION_SERVER] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_SESSION_CLIENT] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_SESSION_CLIENT_PREFIX] = NLA_POLICY_MAX(NLA_U8, 128),
};

/* KPROXY_CMD_SESSION_KILL - do */
static const struct nla_policy kproxy_session_kill_nl_policy[KPROXY_A_SESSION_SERVER + 1] = {
	[KPROXY_A_SESSION_ID] = { .type = NLA_UINT, },
	[KPROXY_A_SESSION_LISTENER] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SESSION_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SESSION_SERVER] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_SESSION_CLIENT] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_SESSION_CLIENT_PREFIX] = NLA_POLICY_MAX(NLA_U8, 128),
};

/* KPROXY_CMD_TRANSACTION_BEGIN - do */
static const struct nla_policy kproxy_transaction_begin_nl_policy[KPROXY_A_TRANSACTION_GENERATION + 1] = {
	[KPROXY_A_TRANSACTION_GENERATION] = { .type = NLA_U32, },
};

/* KPROXY_CMD_LISTENER_DRAIN - do */
static const struct nla_policy kproxy_listener_drain_nl_policy[KPROXY_A_LISTENER_DRAIN_DEADLINE + 1] = {
	[KPROXY_A_LISTENER_NAME] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_LISTENER_DRAIN_RATE] = NLA_POLICY_MIN(NLA_U32, 1),
	[KPROXY_A_LISTENER_DRAIN_DEADLINE] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_listener_drain_deadline_range),
};

/* KPROXY_CMD_ROUTE_GET - do */
static const struct nla_policy kproxy_route_get_do_nl_policy[KPROXY_A_ROUTE_PORT + 1] = {
	[KPROXY_A_ROUTE_LISTENER] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_ROUTE_SNI] = { .type = NLA_NUL_STRING, .len = KPROXY_SNI_MAX, },
	[KPROXY_A_ROUTE_ALPN] = { .type = NLA_NUL_STRING, .len = KPROXY_ALPN_MAX, },
	[KPROXY_A_ROUTE_FROM] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_ROUTE_FROM_PREFIX] = NLA_POLICY_MAX(NLA_U32, 128),
	[KPROXY_A_ROUTE_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_route_port_range),
};

/* KPROXY_CMD_ROUTE_GET - dump */
static const struct nla_policy kproxy_route_get_dump_nl_policy[KPROXY_A_ROUTE_LISTENER + 1] = {
	[KPROXY_A_ROUTE_LISTENER] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
};

/* KPROXY_CMD_ROUTE_ADD - do */
static const struct nla_policy kproxy_route_add_nl_policy[KPROXY_A_ROUTE_PORT + 1] = {
	[KPROXY_A_ROUTE_LISTENER] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_ROUTE_SNI] = { .type = NLA_NUL_STRING, .len = KPROXY_SNI_MAX, },
	[KPROXY_A_ROUTE_UPSTREAM] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_ROUTE_ALPN] = { .type = NLA_NUL_STRING, .len = KPROXY_ALPN_MAX, },
	[KPROXY_A_ROUTE_FROM] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_ROUTE_FROM_PREFIX] = NLA_POLICY_MAX(NLA_U32, 128),
	[KPROXY_A_ROUTE_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_route_port_range),
};

/* KPROXY_CMD_ROUTE_DEL - do */
static const struct nla_policy kproxy_route_del_nl_policy[KPROXY_A_ROUTE_PORT + 1] = {
	[KPROXY_A_ROUTE_LISTENER] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_ROUTE_SNI] = { .type = NLA_NUL_STRING, .len = KPROXY_SNI_MAX, },
	[KPROXY_A_ROUTE_ALPN] = { .type = NLA_NUL_STRING, .len = KPROXY_ALPN_MAX, },
	[KPROXY_A_ROUTE_FROM] = NLA_POLICY_NESTED(kproxy_endpoint_nl_policy),
	[KPROXY_A_ROUTE_FROM_PREFIX] = NLA_POLICY_MAX(NLA_U32, 128),
	[KPROXY_A_ROUTE_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_route_port_range),
};

/* KPROXY_CMD_SPLICE - do */
static const struct nla_policy kproxy_splice_nl_policy[KPROXY_A_SPLICE_FLAGS + 1] = {
	[KPROXY_A_SPLICE_A] = { .type = NLA_U32, },
	[KPROXY_A_SPLICE_B] = { .type = NLA_U32, },
	[KPROXY_A_SPLICE_LABEL] = { .type = NLA_NUL_STRING, .len = KPROXY_NAME_MAX, },
	[KPROXY_A_SPLICE_BYTES_A] = { .type = NLA_UINT, },
	[KPROXY_A_SPLICE_BYTES_B] = { .type = NLA_UINT, },
	[KPROXY_A_SPLICE_IDLE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &kproxy_a_splice_idle_timeout_range),
	[KPROXY_A_SPLICE_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x1),
};

/* Ops table for kproxy */
const struct genl_split_ops kproxy_nl_ops[30] = {
	{
		.cmd		= KPROXY_CMD_LISTENER_GET,
		.doit		= kproxy_nl_listener_get_doit,
		.policy		= kproxy_listener_get_nl_policy,
		.maxattr	= KPROXY_A_LISTENER_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= KPROXY_CMD_LISTENER_GET,
		.start	= kproxy_nl_listener_get_start,
		.dumpit	= kproxy_nl_listener_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KPROXY_CMD_LISTENER_ADD,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_listener_add_doit,
		.policy		= kproxy_listener_add_nl_policy,
		.maxattr	= KPROXY_A_LISTENER_LOG_SAMPLE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_LISTENER_SET,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_listener_set_doit,
		.policy		= kproxy_listener_set_nl_policy,
		.maxattr	= KPROXY_A_LISTENER_LOG_SAMPLE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_LISTENER_DEL,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_listener_del_doit,
		.policy		= kproxy_listener_del_nl_policy,
		.maxattr	= KPROXY_A_LISTENER_KILL,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_UPSTREAM_GET,
		.doit		= kproxy_nl_upstream_get_doit,
		.policy		= kproxy_upstream_get_nl_policy,
		.maxattr	= KPROXY_A_UPSTREAM_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= KPROXY_CMD_UPSTREAM_GET,
		.start	= kproxy_nl_bare_start,
		.dumpit	= kproxy_nl_upstream_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KPROXY_CMD_UPSTREAM_ADD,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_upstream_add_doit,
		.policy		= kproxy_upstream_add_nl_policy,
		.maxattr	= KPROXY_A_UPSTREAM_FAIL_OPEN,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_UPSTREAM_SET,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_upstream_set_doit,
		.policy		= kproxy_upstream_set_nl_policy,
		.maxattr	= KPROXY_A_UPSTREAM_FAIL_OPEN,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_UPSTREAM_DEL,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_upstream_del_doit,
		.policy		= kproxy_upstream_del_nl_policy,
		.maxattr	= KPROXY_A_UPSTREAM_NAME,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_SERVER_GET,
		.doit		= kproxy_nl_server_get_doit,
		.policy		= kproxy_server_get_do_nl_policy,
		.maxattr	= KPROXY_A_SERVER_ADDRESS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_SERVER_GET,
		.dumpit		= kproxy_nl_server_get_dumpit,
		.policy		= kproxy_server_get_dump_nl_policy,
		.maxattr	= KPROXY_A_SERVER_UPSTREAM,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KPROXY_CMD_SERVER_ADD,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_server_add_doit,
		.policy		= kproxy_server_add_nl_policy,
		.maxattr	= KPROXY_A_SERVER_HEALTH_SET,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_SERVER_SET,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_server_set_doit,
		.policy		= kproxy_server_set_nl_policy,
		.maxattr	= KPROXY_A_SERVER_HEALTH_SET,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_SERVER_DEL,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_server_del_doit,
		.policy		= kproxy_server_del_nl_policy,
		.maxattr	= KPROXY_A_SERVER_ADDRESS,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_SESSION_GET,
		.start		= kproxy_nl_session_get_start,
		.dumpit		= kproxy_nl_session_get_dumpit,
		.done		= kproxy_nl_session_get_done,
		.policy		= kproxy_session_get_nl_policy,
		.maxattr	= KPROXY_A_SESSION_SERVER,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KPROXY_CMD_SESSION_KILL,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_session_kill_doit,
		.policy		= kproxy_session_kill_nl_policy,
		.maxattr	= KPROXY_A_SESSION_SERVER,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= KPROXY_CMD_POOL_GET,
		.start	= kproxy_nl_bare_start,
		.dumpit	= kproxy_nl_pool_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KPROXY_CMD_STATS_GET,
		.pre_doit	= kproxy_nl_bare_doit,
		.doit		= kproxy_nl_stats_get_doit,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_STATS_RESET,
		.pre_doit	= kproxy_nl_admin_bare_doit,
		.doit		= kproxy_nl_stats_reset_doit,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_TRANSACTION_BEGIN,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_transaction_begin_doit,
		.policy		= kproxy_transaction_begin_nl_policy,
		.maxattr	= KPROXY_A_TRANSACTION_GENERATION,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_TRANSACTION_COMMIT,
		.pre_doit	= kproxy_nl_admin_bare_doit,
		.doit		= kproxy_nl_transaction_commit_doit,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_TRANSACTION_ABORT,
		.pre_doit	= kproxy_nl_admin_bare_doit,
		.doit		= kproxy_nl_transaction_abort_doit,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_LISTENER_DRAIN,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_listener_drain_doit,
		.policy		= kproxy_listener_drain_nl_policy,
		.maxattr	= KPROXY_A_LISTENER_DRAIN_DEADLINE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_ROUTE_GET,
		.doit		= kproxy_nl_route_get_doit,
		.policy		= kproxy_route_get_do_nl_policy,
		.maxattr	= KPROXY_A_ROUTE_PORT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_ROUTE_GET,
		.start		= kproxy_nl_route_get_start,
		.dumpit		= kproxy_nl_route_get_dumpit,
		.done		= kproxy_nl_route_get_done,
		.policy		= kproxy_route_get_dump_nl_policy,
		.maxattr	= KPROXY_A_ROUTE_LISTENER,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KPROXY_CMD_ROUTE_ADD,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_route_add_doit,
		.policy		= kproxy_route_add_nl_policy,
		.maxattr	= KPROXY_A_ROUTE_PORT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_ROUTE_DEL,
		.pre_doit	= kproxy_nl_admin_doit,
		.doit		= kproxy_nl_route_del_doit,
		.policy		= kproxy_route_del_nl_policy,
		.maxattr	= KPROXY_A_ROUTE_PORT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_LOG_GET,
		.pre_doit	= kproxy_nl_admin_bare_doit,
		.doit		= kproxy_nl_log_get_doit,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KPROXY_CMD_SPLICE,
		.doit		= kproxy_nl_splice_doit,
		.policy		= kproxy_splice_nl_policy,
		.maxattr	= KPROXY_A_SPLICE_FLAGS,
		.flags		= GENL_CMD_CAP_DO,
	},
};
