#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Floods of packets and of connections: clients that cannot be served are
# refused and counted, live sessions go on, and afterwards everything is gone.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 10
load
topology
simple_proxy
sockets_before=$(sockets_allocated)
kernel_before=$(kernel_kb)

sockets_gone() {
	at_most "TCP sockets" "$(sockets_allocated)" "$sockets_before"
}

memory_back() {
	at_most "KiB of the kernel's" "$(kernel_kb)" $((kernel_before + 8192))
}

scenes 8
check "no socket is left" wait_for 20 sockets_gone
check "no memory is left" wait_for 20 memory_back
finish
