#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The netlink family: its refusals, and that the kernel's policies are those of
# docs/netlink/kproxy.yaml.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 20
load
topology
simple_proxy
scenes 20
finish
