#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Servers are connected to from an upstream's source addresses.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 9
load
topology
add_addr kp-proxy back 10.2.0.11/24 10.2.0.12/24 fd02::11/64
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app
scenes 9
finish
