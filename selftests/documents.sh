#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the documents tell their reader to type works, and prints what they say.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 3
load
ip link set lo up
scenes 3
finish
