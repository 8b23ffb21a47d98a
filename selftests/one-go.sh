#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy run" makes a listener and its upstream, shows their counters, and
# leaves nothing behind.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 10
load
topology
scenes 10
finish
