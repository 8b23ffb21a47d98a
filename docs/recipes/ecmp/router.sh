#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's part on the router; bird with router.conf does the rest.
set -e

sysctl -qw net.ipv4.ip_forward=1
# Next hops are chosen by addresses and ports, not by addresses alone.
sysctl -qw net.ipv4.fib_multipath_hash_policy=1
# While BIRD replaces the route there is none for a moment. What comes then is
# sent again, where "no route to host" would end a connect.
ip route add blackhole 10.9.0.0/24
