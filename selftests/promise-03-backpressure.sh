#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A slow reader slows its writer down through TCP's own window. The proxy queues
# nothing of its own: memory is bounded by the sockets' buffers, and charged to
# them.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 6
load
topology
# Small enough that it is quick to fill them.
for ns in kp-client kp-proxy kp-server; do
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_rmem="4096 131072 262144" \
		net.ipv4.tcp_wmem="4096 16384 262144"
done
simple_proxy
scenes 6
finish
