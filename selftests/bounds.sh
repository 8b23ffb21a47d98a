#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What one request, one reader or one namespace can cost the others is bounded.
#
# Environment:
#   SESSIONS   so many for the reader of counters (4000, or 1000 to be quick)

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 9
load
topology
simple_proxy
scenes 9
finish
