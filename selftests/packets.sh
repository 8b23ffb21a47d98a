#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever packets are made of and however large they are, their bytes arrive:
# jumbo frames, with heads of the slab, of hundreds of kilobytes, and in pages
# that belong to a driver's pool.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

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
