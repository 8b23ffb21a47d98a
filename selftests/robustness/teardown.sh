#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Any removal, in any order, under load and repeatedly: it takes no longer than
# a second, everything else goes on, and nothing is left at the end. LOOPS=N
# (12), SEED=N.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
# shellcheck source=selftests/harness/churn.bash
. "$harness/churn.bash"

loops=${LOOPS:-$((SCALE > 1 ? 4 : 12))}
export SEED=${SEED:-$RANDOM}

plan 6
load
topology
modprobe -q sch_netem || true

# The kernel takes a namespace down later, after some grace periods, and unloads
# no module meanwhile.
netns_out() {
	ip netns del kp-proxy
}

both_out() {
	ip netns del kp-proxy
	module_out
}

both_out_reversed() {
	module_out &
	ip netns del kp-proxy
	wait $!
}

ends=(module_out netns_out both_out both_out_reversed)

loop() {
	local n end=${ends[RANDOM % ${#ends[@]}]}

	for n in $(seq $((RANDOM % 4 + 1))); do
		timed 1 "${actions[RANDOM % ${#actions[@]}]}"
		((RANDOM % 2)) || restore
	done
	restore
	kp listener set main maxconn 0 backlog 4096
	wait_for 30 sessions_at_least 3
	timed 3 "$end"
	if [[ -e /run/netns/kp-proxy ]]; then
		wait_for 10 no_sockets
	else
		wait_for 10 proxy_is_gone
		add_proxy
	fi
	[[ -d /sys/module/kproxy ]] || insmod "$ko"
	restore
}

churn() {
	local n name

	RANDOM=$SEED
	add_proxy
	restore
	start_traffic
	start_noise
	for n in $(seq "$loops"); do
		echo "loop $n"
		loop
	done
	touch "$tmp/enough"
	wait "$noise"
	wait_for 30 sessions_at_least 3
	end_traffic
	wait_for 20 no_session
	for name in "${!slowest[@]}"; do
		echo "$name: ${slowest[$name]} ms"
	done >>"$tmp/numbers"
}

sockets_gone() {
	at_most "TCP sockets" "$(sockets_allocated)" "$sockets_before"
}

namespaces_gone() {
	at_most "namespaces" "$(namespaces)" "$namespaces_before"
}

memory_back() {
	at_most "KiB of the kernel's" "$(kernel_kb)" $((kernel_before + 8192))
}

module_unused() {
	same "references to the module" "$(</sys/module/kproxy/refcnt)" 0
}

# Once before: one-time allocations must not count.
warm_up() {
	restore
	start_traffic
	wait_for 30 sessions_at_least 3
	end_traffic
	wait_for 20 no_session
	ip netns del kp-proxy
	wait_for 10 proxy_is_gone
}

echo "# SEED=$SEED LOOPS=$loops"
check "traffic gets through" warm_up
sockets_before=$(sockets_allocated)
namespaces_before=$(namespaces)
kernel_before=$(kernel_kb)
check "everything that can be removed is removed under load" churn
diag <"$tmp/numbers"
check "no socket is left" wait_for 20 sockets_gone
check "no namespace is left" wait_for 20 namespaces_gone
check "no memory is left" wait_for 20 memory_back
check "nothing holds the module" wait_for 5 module_unused
finish
