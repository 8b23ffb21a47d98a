#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The bytes of packets of any layout and size arrive: jumbo frames, heads from
# the slab, packets of hundreds of kilobytes, and pages of a driver's pool.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 5
load
topology
simple_proxy
kp server add app '[fd02::2]:9000' weight 0
# Programs for XDP are pinned here.
mkdir "$tmp/bpf"
mount -t bpf bpf "$tmp/bpf"
defer umount "$tmp/bpf"
scenes 5 "$tmp/bpf"
finish
