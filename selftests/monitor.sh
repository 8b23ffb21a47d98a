#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy monitor" tells of every change of the configuration, of every session
# that begins or ends, and why it ended.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 11
load
topology
simple_proxy
scenes 11
finish
