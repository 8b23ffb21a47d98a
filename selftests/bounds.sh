#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What one request, one reader or one namespace can cost the others is bounded.
#
# Environment:
#   SESSIONS   so many for the reader of counters (4000, or 1000 to be quick);
#              100000 by hand, in a machine of MEM=6G

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 10
load
topology
simple_proxy
scenes 10
finish
