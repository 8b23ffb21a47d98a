#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy log" shows a record of each session that has ended, without debugfs. A
# full ring forgets the oldest record, and a follower is told how many it missed.
# A reader can neither change the log nor keep the module loaded.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

# finish asks kmemleak, which is there.
no_debugfs() {
	mountpoint -q /sys/kernel/debug || return 0
	umount /sys/kernel/debug
	defer mount -t debugfs debugfs /sys/kernel/debug
}

too_many() {
	! insmod "$ko" log_records=16385 2>"$tmp/insmod" || {
		rmmod kproxy
		return 1
	}
	dmesg | tail -n 5 | grep -F "16385' invalid for parameter"
}

plan 19
check "a log beyond its bound is refused" too_many
load log_records=64
no_debugfs
topology
simple_proxy
scenes 18
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
finish
