#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What may not be connected to from a cgroup can't be reached through a listener
# or an upstream that the cgroup has made, whoever asks: rules of nftables and
# programs of the cgroup hold for sessions, checks and connections made ahead.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

cgroups=/sys/fs/cgroup

plan 5
[[ -e $cgroups/cgroup.procs ]] || skip_all "no cgroups of version 2"
load
topology
mkdir $cgroups/kp-jail
defer rmdir $cgroups/kp-jail
scenes 5
finish
