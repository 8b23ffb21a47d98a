#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Streams are whole even if others claim the proxy's sockets: BPF programs that
# put each socket into a sockmap, MPTCP on the other end.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 10
load
topology
simple_proxy

if [[ ! -e /sys/fs/cgroup/cgroup.procs ]]; then
	mount -t cgroup2 none /sys/fs/cgroup
	defer umount /sys/fs/cgroup
fi
scenes 10
finish
