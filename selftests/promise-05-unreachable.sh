#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# When no server can be reached, the client is reset within connect-timeout x
# tries. Nothing hangs.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 12
load
topology
modprobe -q sch_netem || true
simple_proxy connect-timeout 400ms
scenes 12
finish
