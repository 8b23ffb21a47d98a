#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy log" works under lockdown, which Secure Boot enables. Lockdown cannot
# be undone and refuses unsigned modules, so selftests/run gives this script a
# machine of its own.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

state=/sys/kernel/security/lockdown

lock_down() {
	echo integrity >"$state"
	grep -F '[integrity]' "$state"
	# So it is in force.
	! insmod "$ko" 2>"$tmp/insmod"
}

mountpoint -q /sys/kernel/security ||
	mount -t securityfs securityfs /sys/kernel/security 2>/dev/null || true
[[ -e $state ]] || skip_all "no lockdown in this kernel"
plan 3
load
topology
simple_proxy
check "the kernel is locked down" lock_down
scenes 2
finish
