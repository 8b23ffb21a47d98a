#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Why sessions ended and which side is slow is counted, for each listener and
# server.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 6
load
topology
simple_proxy
scenes 6
finish
