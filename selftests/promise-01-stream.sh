#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The byte stream arrives whole, in order, once, in both directions at the same
# time, whatever the sizes, pauses and buffer limits.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 18
load
topology
modprobe -q sch_netem || true
simple_proxy
scenes 18
finish
