#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# On each kproxy host, beside bird with host.conf. The address comes last, because it
# makes BIRD announce the host.
set -e

cd "$(dirname "$0")"
sysctl -qw net.ipv4.ip_nonlocal_bind=1
kproxy config apply kproxy.yaml
ip addr add 10.9.0.1/32 dev lo
