#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Active checks: a server that answers is up, one that does not is down, and
# both are announced.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 10
load
topology
modprobe -q sch_netem || true
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app \
	connect-timeout 2s
scenes 10
finish
