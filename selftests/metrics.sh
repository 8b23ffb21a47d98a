#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy metrics" prints metrics that Prometheus reads.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 9
load
topology
simple_proxy
scenes 9
finish
