#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pages that came from a file are never written to, also not by TLS or IPsec
# below.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 8
load
topology
simple_proxy
scenes 3 plain zerocopy by_reference

if modprobe -q tls || [[ -e /proc/net/tls_stat ]]; then
	scenes 1 ktls_receiver
else
	skip "ciphertext out of a file, to a receiver that decrypts in the kernel" \
		"no TLS in this kernel"
fi

# One packet each: TCP's offloads must not change them.
in_place_link() {
	modprobe -q -a esp4 xfrm_user authenc seqiv ctr sch_ingress \
		cls_matchall act_pedit act_csum || return
	ip -n kp-proxy link set back gso_max_segs 1
}

if in_place_link; then
	scenes 1 in_place
else
	skip "who would decrypt in place copies a file's pages first" \
		"no ESP or no packet editor in this kernel"
fi

# Towards the server the proxy's packets are encrypted.
esp_link() {
	local key=0x0102030405060708090a0b0c0d0e0f1011121314 ns

	for ns in kp-proxy kp-server; do
		ip -n "$ns" xfrm state add src 10.2.0.1 dst 10.2.0.2 proto esp \
			spi 0x1000 reqid 1 mode transport \
			aead 'rfc4106(gcm(aes))' "$key" 128 || return
	done
	ip -n kp-proxy xfrm policy add src 10.2.0.1 dst 10.2.0.2 dir out \
		tmpl proto esp reqid 1 mode transport
	ip -n kp-server xfrm policy add src 10.2.0.1 dst 10.2.0.2 dir in \
		tmpl proto esp reqid 1 mode transport
}

modprobe -q -a esp4 xfrm_user || true
if esp_link >"$tmp/esp" 2>&1; then
	scenes 1 ipsec
	esp=y
else
	skip "a file's pages through IPsec" "no ESP in this kernel"
fi
check "a file's pages are shared on the way, not copied" python3 - <<-'P' \
	"$(stat bytes_spliced)" "$(stat bytes_copied)"
	import sys
	spliced, copied = map(int, sys.argv[1:])
	print(spliced, "spliced", copied, "copied")
	sys.exit(spliced < 20 * copied)
P
if [[ ${esp:-} ]]; then
	scenes 1 copied
else
	skip "a file's pages where the way out takes none" "no ESP in this kernel"
fi
finish
