#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The end of a stream is passed on after its last byte, and the other direction
# goes on. A reset is passed on as a reset, in both directions, after the data
# that came before it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 16
load
topology
simple_proxy
scenes 16
finish
