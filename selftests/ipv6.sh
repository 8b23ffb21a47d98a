#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# IPv6, and both families at once.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 7
load
topology
scenes 7
finish
