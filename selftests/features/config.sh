#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Configuration files: a change is made as a whole or not at all, unchanged
# objects are left alone, and errors say where. Tests without the module are in
# tools/tests.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 27

# Other users cannot read them where they are, if that is below /root.
examples=$tmp/examples
cp -r "$top/docs/examples" "$examples"
chmod 755 "$tmp"

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

no_module_no_root() {
	local file

	for file in "$examples"/*; do
		as_nobody kproxy config check "$file"
	done
	printf 'listeners:\n  web:\n    idle-timeout: 5\n' >"$tmp/bad"
	refused 1 'bad:2:3: listener "web": "listen" is missing' \
		as_nobody kproxy config check "$tmp/bad"
	refused 2 'no kproxy: load it' kproxy config apply "$examples/web.yaml"
}

# Commands that only root may run.
needs_root() {
	refused 2 'not permitted' as_nobody kproxy config flush
	refused 2 'not permitted' \
		as_nobody kproxy config apply "$examples/web.yaml"
}

# Every example is applied, saved, and changes nothing when applied again.
examples_apply() {
	local file

	for file in "$examples"/*; do
		kp config apply "$file"
		kp config save "$tmp/saved"
		same "difference" "$(kp config apply --dry-run "$file")" ""
		same "difference" "$(kp config apply --dry-run "$tmp/saved")" ""
	done
	kp config flush
	same "saved" "$(kp config save | xargs)" "upstreams: {} listeners: {}"
}

[[ ! -d /sys/module/kproxy ]] || rmmod kproxy
check "\"config check\" without the module and without root" no_module_no_root
load
topology
check "only root may apply and flush" needs_root
check "the examples" examples_apply
scenes 24
finish
