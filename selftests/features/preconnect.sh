#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Idle connections to servers are made before a client comes, used by the next
# one, and closed when they are no longer wanted.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 16
load
topology
add_addr kp-proxy back 10.2.0.11/24
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app

ready_is() {
	same "ready" "$(kp_json '.[0].preconnect.ready' -s server show app)" "$1"
}

# Idle connections to a server that keeps them.
some() {
	kp upstream set app preconnect 2
	kp server add app 10.2.0.2:9000
	wait_for 20 ready_is $((2 * $(nproc)))
}

ends_with_module() {
	some
	rmmod kproxy
	same "sockets to the server" \
		"$(proxy ss -Htn state established dport = :9000)" ""
}

ends_with_namespace() {
	kp upstream add app
	some
	ip netns del kp-proxy
	wait_for 20 proxy_is_gone
}

scenes 14
start kp-server socat TCP-LISTEN:9000,bind=10.2.0.2,reuseaddr,fork EXEC:cat
check "the module unloads while there are some" ends_with_module
load
check "a namespace ends while there are some" ends_with_namespace
finish
