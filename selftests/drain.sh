#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A drained listener stops accepting, and its sessions end at a steady rate,
# while others come and go.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 8
load
topology
simple_proxy
mount_tracefs
scenes 8
finish
