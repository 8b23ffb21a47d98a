#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A connection of a socket to itself is a failed connect: for a session, a
# check, and an idle connection.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 6
load
topology
# Every connection gets its server's port.
proxy sysctl -qw net.ipv4.ip_local_port_range="40000 40000"
kp upstream add app retries 0
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app
scenes 6
finish
