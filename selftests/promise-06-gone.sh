#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A session ends when both directions ended, on reset, on a time-out, or when it
# is killed; then both its sockets, its timers and its memory are gone.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 15
load pool_sessions=64
topology
simple_proxy
scenes 15
finish
