#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Network namespaces of user namespaces, which any user can create: nothing can
# be configured there unless the module was loaded with userns=1, and then
# within limits.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 13

unshare --user --map-root-user --net true 2>/dev/null ||
	skip_all "user namespaces are not allowed here"

# inside COMMAND...: a kproxy command by the root of a user namespace, in a new
# network namespace of its own.
inside() {
	unshare --user --map-root-user --net kproxy "$@"
}

# The same, for a script.
script_inside() {
	unshare --user --map-root-user --net bash -ec "$1"
}

nothing_inside() {
	local refusal='not permitted in a user namespace: kproxy was loaded without userns=1'

	refused 2 "upstream \"x\": $refusal" inside upstream add x
	refused 2 "$refusal" inside upstream set x retries 1
	refused 2 "$refusal" inside upstream del x
	refused 2 "$refusal" inside server add x 127.0.0.1:1
	refused 2 "$refusal" inside server del x 127.0.0.1:1
	refused 2 "$refusal" inside listener add x '*:1' upstream x
	refused 2 "$refusal" inside listener del x
	refused 2 "$refusal" inside listener drain x
	refused 2 "$refusal" inside route add x sni a upstream x
	refused 2 "$refusal" inside session show
	refused 2 "$refusal" inside session kill 1
	refused 2 "$refusal" inside stats show reset
	echo 'upstreams: {}' >"$tmp/empty"
	refused 2 "$refusal" inside config apply "$tmp/empty"
}

# Requests that need no capability elsewhere need none here.
reading_inside() {
	same "upstreams" "$(inside -j upstream show)" '[]'
	same "listeners" "$(inside -j -s listener show)" '[]'
	same "servers" "$(inside -j -s server show)" '[]'
	same "sessions_total" \
		"$(inside -j stats show | jq '.[0].sessions_total')" 0
}

host_pools() {
	same "pools" "$(inside -j pool show)" '[]'
	at_least "pools of the host" "$(kproxy -j pool show | jq length)" 1
}

# The root of a user namespace administers its network namespaces.
owner_administers() {
	script_inside '
		ip link set lo up
		kproxy upstream add mine
		kproxy server add mine 127.0.0.1:9000
		kproxy listener add mine "*:80" upstream mine
		kproxy -j session show
		kproxy stats show reset
		kproxy listener del mine
		kproxy -j upstream show' >"$tmp/mine"
	cat "$tmp/mine"
	grep -q '"mine"' "$tmp/mine"
	same "upstreams here" "$(kproxy -j upstream show)" '[]'
}

others_do_not() {
	refused 2 'not permitted' \
		unshare --user --map-root-user kproxy upstream add theirs
}

# Twelve objects: 1 upstream, 5 servers, a listener with 2 addresses, 3 routes.
limit_objects() {
	# shellcheck disable=SC2016 # the inner shell's
	script_inside '
		ip link set lo up
		fails() {
			! "$@" 2>err || { echo "it did: $*"; exit 1; }
			grep -F "a namespace has at most 12 objects (userns_objects)" err
		}
		cd "$(mktemp -d)"
		kproxy upstream add app
		for i in 1 2 3 4 5; do kproxy server add app 127.0.0.1:900$i; done
		kproxy listener add web 127.0.0.1:80,127.0.0.2:80 upstream app
		for i in 1 2 3; do kproxy route add web sni n$i upstream app; done
		fails kproxy upstream add more
		fails kproxy server add app 127.0.0.1:9100
		fails kproxy listener add more 127.0.0.1:81 upstream app
		fails kproxy listener set web listen 127.0.0.1:80,127.0.0.2:80
		fails kproxy route add web sni n4 upstream app
		# A refusal costs nothing, and a deletion makes room.
		for i in 1 2 3; do
			kproxy server del app 127.0.0.1:9001
			for try in $(seq 100); do
				! kproxy server add app 127.0.0.1:9001 || break
				sleep 0.05
			done
			fails kproxy server add app 127.0.0.1:9100
		done 2>/dev/null
		kproxy listener del web
		kproxy upstream del app
		sleep 0.2
		for i in 1 2 3 4 5 6 7 8 9 10 11 12; do kproxy upstream add u$i; done
		fails kproxy upstream add more
		rm -r "$PWD"'
}

# 20 checks per second; those of a transaction are checked by its commit.
limit_checks() {
	# shellcheck disable=SC2016 # the inner shell's
	script_inside '
		fails() {
			! "$@" 2>err || { echo "it did: $*"; exit 1; }
			grep -F "a namespace has at most 20 checks a second (userns_checks)" err
		}
		cd "$(mktemp -d)"
		kproxy upstream add app check tcp interval 100ms
		kproxy server add app 127.0.0.1:9001
		kproxy server add app 127.0.0.1:9002
		fails kproxy server add app 127.0.0.1:9003
		fails kproxy upstream set app interval 99ms
		fails kproxy upstream set app interval 50ms
		kproxy upstream set app interval 200ms
		kproxy server add app 127.0.0.1:9003
		kproxy server add app 127.0.0.1:9004
		fails kproxy server add app 127.0.0.1:9005
		kproxy upstream set app check off
		kproxy server add app 127.0.0.1:9005
		fails kproxy upstream set app check tcp
		kproxy server del app 127.0.0.1:9005
		kproxy upstream set app check tcp
		kproxy upstream add other check tcp interval 1m
		fails kproxy server add other 127.0.0.1:1
		cat >conf <<-END
			upstreams:
			  big:
			    check: tcp
			    interval: 10ms
			    servers: [{address: "127.0.0.1:1"}]
		END
		fails kproxy config apply conf
		kproxy -j upstream show | grep -q "\"name\":\"app\""
		kproxy upstream del app
		kproxy server add other 127.0.0.1:1
		rm -r "$PWD"'
}

# As many as there are CPUs for each of 3.
limit_connections() {
	# shellcheck disable=SC2016 # the inner shell's
	script_inside '
		fails() {
			! "$@" 2>err || { echo "it did: $*"; exit 1; }
			grep "connections (userns_connections)" err
		}
		cd "$(mktemp -d)"
		kproxy upstream add app preconnect 1
		kproxy server add app 127.0.0.1:9001
		kproxy server add app 127.0.0.1:9002
		kproxy server add app 127.0.0.1:9003
		fails kproxy server add app 127.0.0.1:9004
		fails kproxy upstream set app preconnect 2
		fails kproxy upstream set app preconnect 256
		kproxy upstream set app preconnect 0
		kproxy server add app 127.0.0.1:9004
		fails kproxy upstream set app preconnect 1
		kproxy server del app 127.0.0.1:9004
		kproxy upstream set app preconnect 1
		rm -r "$PWD"'
}

# The host's own namespaces have none of these.
no_limit_outside() {
	local i

	kp upstream add app check tcp interval 10ms preconnect 4
	for i in $(seq 40); do
		echo "server add app 10.2.0.2:$((9000 + i))"
	done | kp -b -
	same "servers" "$(kp -j server show app | jq length)" 40
	kp upstream del app
}

load
topology
check "in a user namespace nothing can be configured, and no session listed" \
	nothing_inside
check "public information is shown" reading_inside
check "but not the host's pools" host_pools
load userns=1 userns_objects=12 userns_checks=20 \
	userns_connections=$((3 * $(nproc)))
topology
check "with userns=1 its owner administers its namespaces" owner_administers
check "but not the one around it" others_do_not
check "objects of a namespace are limited" limit_objects
check "and checks per second" limit_checks
check "and idle connections" limit_connections
check "other namespaces have no limit" no_limit_outside
chmod 755 "$tmp"
scenes 4
finish
