#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A connection that leads back to its own socket is one that has failed: for a
# session, a check, and one made ahead.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 6
load
topology
# Every connection gets the port that its server is to have.
proxy sysctl -qw net.ipv4.ip_local_port_range="40000 40000"
kp upstream add app retries 0
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app
scenes 6
finish
