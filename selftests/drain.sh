#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A drained listener accepts no more, and its sessions end at a steady rate,
# whoever else comes and goes.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 8
load
topology
simple_proxy
mount_tracefs
scenes 8
finish
