#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Admission: limits per second and per client, networks admitted and denied. A
# refused client is reset and counted; a client that comes too early waits.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 17
load
topology
add_addr kp-client eth0 10.1.0.3/24 fd01::3/64 fd0a::2/64
ip -n kp-proxy route add fd0a::/64 dev front
simple_proxy

shown() { # OPTION
	kp_json ".[0].\"$1\" // \"default\" | if type == \"array\" then
		join(\",\") else . end" listener show web
}

options_shown() {
	kp listener set web rate 7 client-maxconn 8 client-rate 9 \
		allow '10.1.0.0/24,fd01::/16' deny '10.1.0.77/25,0.0.0.0/0,::/0'
	same rate "$(shown rate)" 7
	same client-maxconn "$(shown client-maxconn)" 8
	same client-rate "$(shown client-rate)" 9
	same allow "$(shown allow)" 10.1.0.0/24,fd01::/16
	same deny "$(shown deny)" 10.1.0.0/25,0.0.0.0/0,::/0
	kp listener show web | grep -F 'allow 10.1.0.0/24,fd01::/16 deny 10.1.0.0/25'
	# One list changes, the other stays.
	kp listener set web deny none
	same deny "$(shown deny)" default
	same allow "$(shown allow)" 10.1.0.0/24,fd01::/16
	kp listener set web allow all rate 0 client-maxconn 0 client-rate 0
	same "keys with defaults" "$(kp_json '.[0] | keys | join(" ")' \
		listener show web)" "addresses name upstream"
	kp listener add second 10.1.0.1:8002 upstream app deny 10.9.0.0/16 rate 3
	same deny "$(kp_json '.[0].deny[0]' listener show second)" 10.9.0.0/16
	same rate "$(kp_json '.[0].rate' listener show second)" 3
	kp listener del second
}

bad_values() {
	local before

	before=$(kp -j listener show)
	refused 1 'listener "web": allow 10.0.0.0/33: .*0 to 32' \
		kp listener set web allow 10.0.0.0/33
	refused 1 'listener "web": deny fd00::/129: .*0 to 128' \
		kp listener set web deny fd00::/129
	refused 1 'listener "web": allow example: not a network' \
		kp listener set web allow example
	refused 1 'listener "web": allow "": .*empty' \
		kp listener set web allow 10.0.0.0/8,
	refused 1 'listener "web": deny fe80::%lo/64: .*scope' \
		kp listener set web deny fe80::%lo/64
	refused 1 'listener "web": deny 10.1.2.3/8: is given twice' \
		kp listener set web deny 10.0.0.0/8,10.1.2.3/8
	refused 1 'listener "web": rate -1: not a number' \
		kp listener set web rate -1
	refused 1 'listener "web": client-rate x: not a number' \
		kp listener set web client-rate x
	refused 1 'client-maxconn 4294967296: must be 0 to 4294967295' \
		kp listener set web client-maxconn 4294967296
	refused 2 'listener "web": .*network 10.1.0.0/16 is listed twice' \
		kp listener set web allow 10.1.0.0/16 deny 10.1.7.7/16,10.2.0.0/16
	refused 2 'network fd00::/8 is listed twice' \
		kp listener add x 10.1.0.1:8009 upstream app \
		allow fd00::/8 deny fd00::/8
	same "the listeners" "$(kp -j listener show)" "$before"
}

# networks N: N networks, none of which contains a client of ours.
networks() {
	local n hex list=()

	for ((n = 0; n < $1; n += 2)); do
		printf -v hex %x $((n + 1))
		list+=("172.$((16 + n / 256)).$((n % 256)).0/24"
			"2001:db8:$hex::/$((48 + n % 80))")
	done
	(IFS=, && echo "${list[*]:0:$1}")
}

most_networks() {
	local thousand

	thousand=$(networks 1000)
	kp listener set web deny "$thousand" allow 10.1.0.0/24
	same "networks denied" "$(shown deny)" "$thousand"
	same "of one that is asked for by name" \
		"$(kp_json '.[0].deny | length' listener show web)" 1000
	same "of all" "$(kp_json '.[] | select(.name == "web").deny | length' \
		listener show)" 1000
	kp listener set web deny "$(networks 1023)"
	refused 2 'listener "web": .*at most 1024 networks' \
		kp listener set web deny "$(networks 1024)"
	refused 1 'listener "web": deny .*too many' \
		kp listener set web deny "$(networks 1025)"
	same "networks denied" \
		"$(kp_json '.[0].deny | length' listener show web)" 1023
	kp listener set web deny none allow all
}

check "options are shown where they differ from the default" options_shown
check "invalid values are refused and named" bad_values
check "up to 1024 networks are accepted and shown" most_networks
scenes 14
finish
