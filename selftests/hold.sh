#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A fast stream is held back for moments, and nothing of it for longer.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 5
load
topology
simple_proxy
mount_tracefs
scenes 5
finish
