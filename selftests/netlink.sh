#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The netlink family: its refusals, and that the kernel's policies are those of
# docs/netlink/kproxy.yaml.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 17
load
topology
simple_proxy
scenes 17
finish
