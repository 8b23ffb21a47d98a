#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Changes of the configuration never touch live sessions, unless they are asked
# to.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 13
load
topology
modprobe -q sch_netem || true
simple_proxy
scenes 13
finish
