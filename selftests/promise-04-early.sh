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
simple_proxy
scenes 10
finish
