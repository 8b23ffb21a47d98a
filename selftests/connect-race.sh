#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A connect either succeeds or is given up, never both: with servers that answer
# just when the time for it is over, every client gets its own bytes or a reset.
#
# Environment:
#   CONNECTS   clients in all (2000); 100000 by hand, with LIMIT=3000

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

ulimit -n 8192

plan 1
load
topology
scenes 1
finish
