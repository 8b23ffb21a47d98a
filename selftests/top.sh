#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy top" shows rates and the slowest peers, on a terminal and elsewhere.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 8
load
topology
simple_proxy
scenes 8
finish
