#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A fast stream is coalesced for moments, and nothing of it waits for longer.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 5
load
topology
simple_proxy
mount_tracefs
scenes 5
finish
