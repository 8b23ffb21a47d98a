#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every number that the module can be loaded with has bounds, and one outside of
# them fails the load with a line that says so.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 7

# The kernel's messages since the mark.
said() {
	dmesg | awk -v mark="$1" 'index($0, mark) { n = 0; on = 1 } on { print }'
}

# loads_not PATTERN PARAMETER=VALUE...: insmod fails, and the log has a line.
loads_not() {
	local pattern=$1 mark="kproxy-parameters: $RANDOM$RANDOM"

	shift
	echo "$mark" >/dev/kmsg
	if insmod "$ko" "$@" 2>"$tmp/err"; then
		rmmod kproxy
		echo "loaded with $*"
		return 1
	fi
	grep -q 'Invalid parameters\|Invalid argument' "$tmp/err" || {
		cat "$tmp/err"
		return 1
	}
	said "$mark" >"$tmp/said"
	grep -E -- "$pattern" "$tmp/said" || {
		echo "no line like: $pattern"
		cat "$tmp/said"
		return 1
	}
}

# Values that no numeric parameter may have.
extremes() {
	local name=$1 value

	for value in 4294967295 -1 4294967296 18446744073709551616 1x ''; do
		loads_not "kproxy: parameter $name: .* is not a number from" \
			"$name=$value"
	done
}

all_extremes() {
	local name

	for name; do
		extremes "$name"
	done
}

# One more than the maximum, which the message names.
beyond_most() {
	local name most

	for name; do
		loads_not "kproxy: parameter $name" "$name=4294967295"
		most=$(sed -n "s/.*parameter $name: .* from [0-9]* to \([0-9]*\)/\1/p" \
			"$tmp/said" | tail -n 1)
		at_least "the most of $name" "$most" 1
		loads_not "kproxy: parameter $name: \"$((most + 1))\" is not a number from [0-9]+ to $most" \
			"$name=$((most + 1))"
	done
}

zero() {
	loads_not 'kproxy: parameter userns_objects: "0" is not a number from 1' \
		userns=1 userns_objects=0
	loads_not 'kproxy: parameter userns: "2" is not a number from 0 to 1' userns=2
}

# Each within its bounds, together more than the host has.
too_much_memory() {
	loads_not 'pool_pages 65536 and pool_sessions 65536: [0-9]+ MiB for [0-9]+ CPUs, more than [0-9]+ MiB' \
		pool_pages=65536 pool_sessions=65536
}

within() {
	insmod "$ko" pool_pages=0 pool_sessions=0 log_records=0 userns=1 \
		userns_objects=1 userns_connections=0 userns_checks=0 \
		user_splices=0
	same "userns" "$(cat /sys/module/kproxy/parameters/userns)" 1
	same "pool_pages" "$(cat /sys/module/kproxy/parameters/pool_pages)" 0
	rmmod kproxy
	insmod "$ko" pool_pages=100 log_records=0x10 userns_objects=010
	same "pool_pages" "$(cat /sys/module/kproxy/parameters/pool_pages)" 100
	same "log_records" "$(cat /sys/module/kproxy/parameters/log_records)" 16
	same "userns_objects" \
		"$(cat /sys/module/kproxy/parameters/userns_objects)" 8
	rmmod kproxy
}

# The parameters that modinfo shows are those that are tried here.
numbers=(pool_pages pool_sessions log_records userns userns_objects
	userns_connections userns_checks user_splices)

all_tried() {
	same "numbers of the module" \
		"$(modinfo -p "$ko" | sed -n 's/:.*(uint)$//p' | sort)" \
		"$(printf '%s\n' "${numbers[@]}" | sort)"
	same "those that are neither number nor switch" \
		"$(modinfo -p "$ko" | sed -E '/\((uint|bool)\)$/d')" ""
}

[[ ! -w /sys/module/kunit/parameters/filter_glob ]] ||
	echo none >/sys/module/kunit/parameters/filter_glob
[[ ! -d /sys/module/kproxy ]] || rmmod kproxy
echo "kproxy-selftest: $test_name" >/dev/kmsg
check "every numeric parameter is tried here" all_tried
check "extreme values and non-numbers fail the load" \
	all_extremes "${numbers[@]}"
check "so does one more than the bound in the log" \
	beyond_most "${numbers[@]}"
check "and 0, where it makes no sense" zero
check "and pools that would take too much of the host's memory" too_much_memory
check "values within the bounds are accepted" within
load
topology
simple_proxy
check "with the defaults there is a proxy" no_session
finish
