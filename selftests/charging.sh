#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever a cgroup has kproxy make is charged to it, and its limit holds: no
# client of it, and no server, takes memory of the host's.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

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
