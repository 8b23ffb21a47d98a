#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory shortage, a full pool or a failed allocation costs at most the session
# it hit, and is counted.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 6
load pool_pages=1 pool_sessions=1
topology
simple_proxy
scenes 5 tiny_pool objects pool_refills little_tcp_memory afterwards

no_pool() {
	rmmod kproxy
	insmod "$ko" pool_pages=0 pool_sessions=0
	simple_proxy
	python3 "$here/$test_name.py" afterwards >"$tmp/afterwards"
	cat "$tmp/afterwards"
	grep -q '^ok ' "$tmp/afterwards"
}
check "an empty pool works, too" no_pool
finish
