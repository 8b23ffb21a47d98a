#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Why sessions ended and which side is slow is counted, for each listener and
# server; trace points tell the rest, as the document says.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 11
load
topology
simple_proxy
mount_tracefs
scenes 11
finish
