#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A listening socket that is destroyed from outside is shown as dead, announced,
# and opened again by applying the listener's file.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 11
load
topology

destroy() {
	proxy ss -K -Htln "$@" >/dev/null
}

ends_with_namespace() {
	kp config flush
	simple_proxy
	destroy
	same "dead" "$(kp_json '.[0].dead | length' listener show)" 2
	ip netns del kp-proxy
	wait_for 20 proxy_is_gone
}

ends_with_module() {
	add_proxy
	simple_proxy
	destroy
	rmmod kproxy
	same "listening sockets" "$(proxy ss -Htln)" ""
}

scenes 9
check "a namespace ends whose listener is dead" ends_with_namespace
check "the module unloads while one is" ends_with_module
finish
