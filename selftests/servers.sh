#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The life of a server: its limit and its queue, backups, ejection.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 15
load
topology
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app \
	connect-timeout 10m
scenes 15
finish
