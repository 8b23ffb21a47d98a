#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy log" shows a record of each session that has ended; a ring that is
# full forgets the oldest, and who follows is told of what was forgotten.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 8
load log_records=64
topology
simple_proxy
scenes 8
finish
