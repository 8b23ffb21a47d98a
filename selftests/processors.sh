#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many processors: where a session begins, whoever has accepted its client.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 2
load
topology
simple_proxy
scenes 2
finish
