#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No message to the netlink family harms the kernel, a refused one changes
# nothing, and an accepted one makes exactly its change. MESSAGES=N, SEED=N.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 3
load
topology
simple_proxy
scenes 3
finish
