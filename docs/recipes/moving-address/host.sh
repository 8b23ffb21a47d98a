#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# On each kproxy host, beside keepalived with keepalived.conf.
set -e

cd "$(dirname "$0")"
# The listener must exist before the address does.
sysctl -qw net.ipv4.ip_nonlocal_bind=1
kproxy config apply kproxy.yaml
