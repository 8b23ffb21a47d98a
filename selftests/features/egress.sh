#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A cgroup cannot use a listener or an upstream of its own to reach what it may
# not connect to: nftables rules and programs of the cgroup apply to its
# sessions, checks and idle connections.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

cgroups=/sys/fs/cgroup

plan 5
[[ -e $cgroups/cgroup.procs ]] || skip_all "no cgroups of version 2"
load
topology
mkdir $cgroups/kp-jail
defer rmdir $cgroups/kp-jail
scenes 5
finish
