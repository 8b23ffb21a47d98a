#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A listener whose server leads back to itself stops after eight sessions in a
# row: its clients are reset and counted, nothing grows, and all others go on.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 8
load
topology
simple_proxy
scenes 8
finish
