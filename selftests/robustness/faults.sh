#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A failed allocation costs at most the session that it was for, and never a
# byte of another. A send that is refused or cut short costs nothing.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

debug=/sys/kernel/debug

[[ -d $debug/failslab && -d $debug/fail_page_alloc ]] ||
	skip_all "this kernel can't make allocations fail"
plan 15
# Small pools, so that they fall back to the kernel's allocator.
load pool_pages=1 pool_sessions=1
topology
simple_proxy
mount_tracefs
scenes 14 one_object every_nth_object every_nth_page ends fragments everywhere \
	full_table short_sends retries_apart drain_step reset_behind configure first_listener afterwards
rmmod kproxy
scenes 1 loading
insmod "$ko"
finish
