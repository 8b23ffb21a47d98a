#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command accepts messages from the kernel only, and prints no control
# characters, whatever another process of the namespace sends or names.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 6
load
topology
simple_proxy
scenes 6
finish
