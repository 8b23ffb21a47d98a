#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which servers are used when some are down, have come back, or are slow.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 12
load
topology
modprobe -q -a sch_netem sch_prio cls_u32 || true
kp upstream add app
kp listener add web 10.1.0.1:8000 upstream app connect-timeout 2s
scenes 12
finish
