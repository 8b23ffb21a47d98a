#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What kproxy makes for a cgroup is charged to it, and its limit holds: none of
# its clients or servers takes the host's memory.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

cgroups=/sys/fs/cgroup

plan 9
grep -qw memory $cgroups/cgroup.controllers 2>/dev/null ||
	skip_all "no memory cgroups of version 2"
echo +memory >$cgroups/cgroup.subtree_control
# What the host has made ahead is the host's.
load pool_sessions=0
topology
scenes 9
finish
