#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rmmod succeeds at any moment under load: live sessions are reset, nothing
# leaks. Deleting a network namespace does the same for its objects; kproxy
# never keeps one alive.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

rounds=$((SCALE > 1 ? 2 : 4))

plan 10
load
topology
modprobe -q sch_netem || true

# The load: see promise-08-teardown.py. It says "ready" once everything is under
# way, and exits with 0 if all clients see the end once the proxy is gone.
start_load() { # [KIND]
	rm -f "$tmp/ready"
	python3 "$here/$test_name.py" "$tmp/ready" "${1:-mix}" >"$tmp/load" 2>&1 &
	load_pid=$!
	defer stop "$load_pid"
	wait_for 30 test -e "$tmp/ready" || {
		cat "$tmp/load"
		return 1
	}
}

# Its clients would connect to the next namespace of this name. It may have
# exited by itself, when all had seen the end.
stop_load() {
	kill -9 "$load_pid" 2>/dev/null || true
	wait "$load_pid" || true
}

end_load() {
	wait "$load_pid" || {
		cat "$tmp/load"
		return 1
	}
}

rmmod_once() {
	simple_proxy
	start_load
	rmmod kproxy
	end_load
	# A socket that was closed after its last byte may still be sending it.
	wait_for 10 no_sockets
	insmod "$ko"
}

rmmod_many() {
	local n

	for n in $(seq "$rounds"); do
		echo "round $n"
		rmmod_once
	done
}

readers_at_rmmod() {
	local pids=() n

	simple_proxy
	for n in 1 2 3; do
		while [[ ! -e $tmp/enough ]]; do
			kp -s session show || true
			kp -s listener show || true
		done >/dev/null 2>&1 &
		pids+=($!)
	done
	# A list that is read in parts holds the module in between.
	for n in $(seq "$rounds"); do
		wait_for 10 rmmod kproxy
		insmod "$ko"
		kp upstream add app
	done
	touch "$tmp/enough"
	wait "${pids[@]}"
	rmmod kproxy
	insmod "$ko"
}

netns_del_once() {
	topology
	simple_proxy
	start_load
	ip netns del kp-proxy
	wait_for 10 proxy_is_gone
	stop_load
	# Only the pools are left to count.
	wait_for 20 pools_are_whole
}

netns_del() {
	local n

	for n in $(seq $((rounds / 2))); do
		echo "round $n"
		netns_del_once
	done
}

# Its clients and servers are reset, as long as there is a link to them.
netns_del_resets() {
	topology
	simple_proxy
	start_load
	ip netns del kp-proxy
	end_load
}

# Both streams of a session have ended, but its client does not read the last
# bytes: the session lingers.
netns_del_after_end() {
	topology
	simple_proxy
	start_load orphan
	ip netns del kp-proxy
	wait_for 10 proxy_is_gone
}

rmmod_after_end() {
	topology
	simple_proxy
	start_load orphan
	rmmod kproxy
	stop_load
	insmod "$ko"
}

accept_storm() {
	local n

	topology
	kp upstream add app
	kp server add app 10.2.0.2:9000
	start_load storm
	for n in $(seq $((rounds * 4))); do
		kp listener add "web$n" 10.1.0.1:8000 upstream app
		((n % 3)) || wait_for 10 someone_came "web$n"
		if ((n % 2)); then
			kp listener del "web$n"
		else
			kp listener del "web$n" kill
		fi
	done
	stop_load
	wait_for 20 no_session
}

someone_came() {
	(($(kp_json '.[0].stats.sessions_total' -s listener show "$1") > 0))
}

reload_parameters() {
	rmmod kproxy
	insmod "$ko" pool_pages=3 pool_sessions=5
	same "pages" "$(kproxy -j pool show | jq -r '.[0].pages')" 3
	same "sessions" "$(kproxy -j pool show | jq -r '.[0].sessions')" 5
	rmmod kproxy
	insmod "$ko"
}

use_after_all() {
	topology
	simple_proxy
	python3 "$here/$test_name.py" "$tmp/ready" works
}

check "rmmod under load, again and again" rmmod_many
check "rmmod while others list sessions and listeners" readers_at_rmmod
check "a namespace deleted under load is gone, with all its objects" netns_del
check "its live sessions are reset" netns_del_resets
check "a session that lingers keeps no namespace alive" netns_del_after_end
check "nor does it delay rmmod" rmmod_after_end
check "listeners that come and go in a storm of clients" accept_storm
check "the parameters of the pools take effect at load" reload_parameters
check "after all this the module works" use_after_all
check "and in every new namespace" use_after_all
finish
