#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each balance method chooses as documented.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 11
load
topology
# Clients with many addresses.
for n in $(seq 100 149); do
	ip -n kp-client addr add "10.1.0.$n/24" dev eth0
done
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app \
	connect-timeout 2s
scenes 11
finish
