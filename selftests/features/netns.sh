#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Objects belong to the network namespace in which they were made, and to its
# administrators. userns.sh tests namespaces of user namespaces.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 6
load
topology

all_of() { # NS
	kproxy -n "$1" -j upstream show
	kproxy -n "$1" -j listener show
}

# The same names and the same port, in two namespaces.
same_names() {
	local ns

	for ns in kp-proxy kp-server; do
		kproxy -n "$ns" upstream add app
		kproxy -n "$ns" server add app 127.0.0.1:9000
		kproxy -n "$ns" listener add web '*:8000' upstream app
	done
	kproxy -n kp-server listener set web maxconn 5
	same "maxconn there" \
		"$(kproxy -n kp-server -j listener show web | jq '.[0].maxconn')" 5
	same "maxconn here" "$(kp_json '.[0].maxconn' listener show web)" null
	kproxy -n kp-server listener del web
	kproxy -n kp-server upstream del app
	same "what is left there" "$(all_of kp-server)" $'[]\n[]'
	same "what is left here" "$(kp_json '.[0].name' listener show)" web
	kp listener del web
	kp upstream del app
}

not_in_host() {
	kp upstream add hidden
	same "upstreams of the first namespace" "$(kproxy -j upstream show)" '[]'
	kp upstream del hidden
}

# The user nobody; the command must be where that user can read it.
as_nobody() {
	ip netns exec kp-proxy setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$tmp/kproxy" "$@"
}

for_nobody() {
	install -m 755 "$(command -v kproxy)" "$tmp/kproxy"
	chmod 755 "$tmp"
}

unprivileged_change() {
	local before after

	kp upstream add app
	kp server add app 10.2.0.2:9000
	kp listener add web 10.1.0.1:8000 upstream app
	before=$(all_of kp-proxy)
	refused 2 'not permitted' as_nobody upstream add x
	refused 2 'not permitted' as_nobody upstream set app retries 1
	refused 2 'not permitted' as_nobody upstream del app
	refused 2 'not permitted' as_nobody server add app 10.2.0.9:1
	refused 2 'not permitted' as_nobody server set app 10.2.0.2:9000 weight 2
	refused 2 'not permitted' as_nobody server del app 10.2.0.2:9000
	refused 2 'not permitted' as_nobody listener add x '*:1' upstream app
	refused 2 'not permitted' as_nobody listener set web maxconn 1
	refused 2 'not permitted' as_nobody listener del web kill
	refused 2 'not permitted' as_nobody session kill 1
	refused 2 'not permitted' as_nobody stats show reset
	after=$(all_of kp-proxy)
	kp listener del web
	kp upstream del app
	same "the configuration" "$after" "$before"
}

unprivileged_sessions() {
	refused 2 'not permitted' as_nobody session show
}

unprivileged_show() {
	kp upstream add app
	same "what nobody sees" "$(as_nobody -j upstream show)" \
		"$(kp -j upstream show)"
	as_nobody listener show
	as_nobody stats show
	as_nobody pool show
	kp upstream del app
}

for_nobody
check "the same names and ports in two namespaces" same_names
check "nothing of a namespace shows in another" not_in_host
check "the user nobody changes nothing" unprivileged_change
check "nor sees sessions" unprivileged_sessions
check "but sees the configuration and the totals" unprivileged_show
scenes 1
finish
