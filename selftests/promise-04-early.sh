#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bytes that came before the server side was connected are delivered; a server
# that speaks first is heard.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 10
load
topology
modprobe -q sch_netem || true
# For servers that answer when they are told to.
simple_proxy connect-timeout 60s
scenes 10
finish
