#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Socket options of listeners and upstreams: in force on the sockets of that
# side only, for sessions that begin from then on; refused when the kernel
# refuses them; shown where they differ from the default.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 25
load userns=1
topology
for ns in kp-client kp-proxy kp-server; do
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_fastopen=3
done
simple_proxy

everything() {
	printf 'upstream show\nlistener show\n' | kp -j -b -
}

# A command that is refused, and leaves the configuration unchanged.
is_refused() { # STATUS PATTERN ARGUMENT...
	local before

	before=$(everything)
	refused "$1" "$2" kp "${@:3}"
	same "the configuration" "$(everything)" "$before"
}

none_by_default() {
	same "keys of a listener" "$(kp_json '.[0] | keys | join(" ")' \
		listener show web)" "addresses name upstream"
	same "keys of an upstream" "$(kp_json '.[0] | keys | join(" ")' \
		upstream show app)" "balance name servers"
}

all_options='nodelay off keepalive 30s,5s,3 rcvbuf 64k sndbuf 4m
	congestion reno user-timeout 90s notsent-lowat 16k dscp 46 mark 7
	fastopen on pacing 10mbit'
no_options='nodelay on keepalive 60s,10s,6 rcvbuf 0 sndbuf 0
	congestion default user-timeout 0 notsent-lowat 0 dscp 0 mark 0
	fastopen off pacing 0'
all_shown='{"nodelay":"off","keepalive":"30s,5s,3","rcvbuf":"64k",
	"sndbuf":"4m","congestion":"reno","user-timeout":"90s",
	"notsent-lowat":"16k","dscp":46,"mark":7,"fastopen":"on",
	"pacing":"10mbit"}'

# shown OBJECT NAME JSON: these options, and no other.
shown() {
	kp -j "$1" show "$2" | jq -e --argjson want "$3" '.[0] |
		del(.name, .addresses, .upstream, .balance, .servers) == $want' || {
		kp -j "$1" show "$2"
		return 1
	}
}

# shellcheck disable=SC2086 # words
given_back() {
	kp upstream add all $all_options
	kp listener add all 10.1.0.1:8001 upstream all $all_options
	shown upstream all "$all_shown"
	shown listener all "$all_shown"
	kp upstream set all $no_options
	kp listener set all $no_options
	shown upstream all '{}'
	shown listener all '{}'
	kp upstream set all $all_options
	kp listener set all $all_options
	shown upstream all "$all_shown"
	shown listener all "$all_shown"
	kp upstream set all keepalive off nodelay on
	kp -j upstream show all | jq -e '.[0] | .keepalive == "off" and
		.nodelay == null and .mark == 7'
	kp listener show all | grep 'rcvbuf 64k sndbuf 4m congestion reno' \
		>/dev/null
	kp listener del all
	kp upstream del all
}

refusals() {
	is_refused 2 'listener "web": congestion nonesuch: the kernel has no such congestion control' \
		listener set web maxconn 7 congestion nonesuch
	is_refused 2 'upstream "app": congestion nonesuch: the kernel has no such' \
		upstream set app retries 7 mark 9 congestion nonesuch
	is_refused 2 'upstream "new": congestion nonesuch: the kernel has no such' \
		upstream add new congestion nonesuch
	is_refused 2 'listener "new": congestion nonesuch: the kernel has no such' \
		listener add new 10.1.0.1:8009 upstream app congestion nonesuch
	same "listening" "$(proxy ss -Hltn 'sport = 8009')" ""
	is_refused 1 'listener "web": dscp 64: must be 0 to 63' \
		listener set web maxconn 7 dscp 64
	is_refused 1 'keepalive 60s,10s: ' listener set web keepalive 60s,10s
	is_refused 1 'rcvbuf 2g: must be' listener set web rcvbuf 2g
	is_refused 1 'pacing 10: a rate needs a unit' upstream set app pacing 10
	is_refused 1 'nodelay maybe: must be off or on' \
		upstream set app nodelay maybe
	proxy sysctl -qw net.ipv4.tcp_fastopen=2
	defer proxy sysctl -qw net.ipv4.tcp_fastopen=3
	is_refused 2 'upstream "app": fastopen on: net.ipv4.tcp_fastopen is off' \
		upstream set app fastopen on
}

# The owner of a namespace, but not of the machine, is bound by the machine's
# limits.
limits() {
	local max

	max=$(cat /proc/sys/net/core/rmem_max)
	# shellcheck disable=SC2016 # the inner shell's
	unshare --user --map-root-user --net bash -c '
		kproxy upstream add fits rcvbuf "$1" sndbuf 64k
		kproxy -j upstream show fits' - "$max"
	refused 2 "rcvbuf $((max + 1)) is more than net.core.rmem_max" \
		unshare --user --map-root-user --net \
		kproxy upstream add big rcvbuf $((max + 1))
	refused 2 'sndbuf 512m is more than net.core.wmem_max' \
		unshare --user --map-root-user --net \
		kproxy upstream add big sndbuf 512m
	# The owner of the machine is not.
	kp upstream add big rcvbuf 512m sndbuf 512m
	kp upstream del big
}

check "a default configuration shows none of them" none_by_default
check "set options are shown as they are written" given_back
check "a refusal has a reason, and changes nothing" refusals
check "buffers beyond the limits of the machine are refused" limits
scenes 21
finish
