#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's part on the router; bird with router.conf does the rest.
set -e

sysctl -qw net.ipv4.ip_forward=1
# Next hops are chosen by addresses and ports, not by addresses alone.
sysctl -qw net.ipv4.fib_multipath_hash_policy=1
# BIRD replaces a route by removing it first. A blackhole makes TCP retransmit in that
# moment, while "no route to host" would end a connect.
ip route add blackhole 10.9.0.0/24
