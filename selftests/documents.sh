#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The commands of the documents work, and print what the documents say.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 3
load
ip link set lo up
scenes 3
finish
