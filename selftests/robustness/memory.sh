#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Sessions are charged to the cgroup of their listener; very many stalled ones
# do not slow others down; and over a long path a session is as fast as a direct
# connection, because the windows of its sockets grow as they should.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

cgroups=/sys/fs/cgroup

plan 10
load
topology
simple_proxy

# A way around the proxy.
client ip route add 10.2.0.0/24 via 10.1.0.1
server ip route add 10.1.0.0/24 via 10.2.0.1
proxy sysctl -qw net.ipv4.ip_forward=1

if grep -qw memory $cgroups/cgroup.controllers 2>/dev/null; then
	echo +memory >$cgroups/cgroup.subtree_control
	scenes 5 charged charged_early charged_each not_charged over_limit
else
	for name in "a stalled session's" "an early client's" "each listener's" \
		"nobody's" "too much"; do
		skip "$name memory" "no memory cgroup in this kernel"
	done
fi

scenes 1 stalled

if modprobe -q sch_netem || [[ $(uname -r) =~ debug|kcsan ]]; then
	scenes 4 client_path_in client_path_out server_path_in server_path_out
else
	for name in client_path_in client_path_out server_path_in server_path_out; do
		skip "$name" "no netem in this kernel"
	done
fi
finish
