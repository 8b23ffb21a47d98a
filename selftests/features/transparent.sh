#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Clients of addresses that no host has are accepted, and servers see the
# client's address, with the rules of docs/transparent.md.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

# A block of the documentation.
block() { # LANGUAGE
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$top/docs/transparent.md" |
		grep -v '^```'
}

block nft >"$tmp/rules"
command -v nft >/dev/null || skip_all "there is no nft command"
unshare -n nft -f "$tmp/rules" || skip_all "the kernel has no TPROXY"

plan 8
load
topology
proxy nft -f "$tmp/rules"
while read -r line; do
	# shellcheck disable=SC2086 # words
	proxy $line
done < <(block sh)
ip -n kp-client route add 10.9.0.0/24 via 10.1.0.1
ip -n kp-client route add fd09::/64 via fd01::1
ip -n kp-server route add 10.1.0.0/24 via 10.2.0.1
ip -n kp-server route add fd01::/64 via fd02::1
kp upstream add app
kp listener add web '*:8000' upstream app transparent on
scenes 8
finish
