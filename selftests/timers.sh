#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Time-outs and limits of a listener: in time and not early, for sessions that
# begin after they were set, and cheap for any number of sessions.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# Both ends of ten thousand sessions.
ulimit -n 40000

plan 14
load
topology
simple_proxy
kp upstream set app retries 0
[[ -d /sys/kernel/tracing/instances ]] ||
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || true
scenes 14
finish
