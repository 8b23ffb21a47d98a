#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy monitor" reports every change of the configuration, and every session
# that begins or ends, with its end reason.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 11
load
topology
simple_proxy
scenes 11
finish
