# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Traffic, and events that happen to it: the configuration changes, sessions are
# killed, the module goes away. Source it after lib.sh.

: "${harness:?}" "${tmp:?}"

declare -A slowest

took() { # COMMAND...: sets $ms
	local begun=${EPOCHREALTIME/[.,]/}

	"$@"
	ms=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
}

look() {
	kproxy -j pool show >"$tmp/pool"
}

# timed SECONDS ACTION: it may take that long and no longer. Where the processors
# are busy, the programs that an action starts take their time as well: each as
# long as one that waits for nothing, asked now, or a few times that.
timed() {
	local ms most

	took look
	most=$(($1 * 1000 * PATIENCE + 30 * ms))
	took "$2"
	((ms <= ${slowest[$2]:-0})) || slowest[$2]=$ms
	at_most "milliseconds of $2" "$ms" "$most"
}

# Traffic: see traffic.py. It goes on over everything that happens, and takes what
# time the processors have left.
start_traffic() {
	nice python3 "$harness/traffic.py" >"$tmp/traffic" 2>&1 &
	traffic=$!
	defer stop "$traffic"
}

end_traffic() {
	local status=0

	kill -TERM "$traffic"
	wait "$traffic" || status=$?
	cat "$tmp/traffic" >>"$tmp/numbers"
	((status == 0)) || {
		cat "$tmp/traffic"
		return 1
	}
}

# Concurrent readers and writers; the kernel may refuse them at any time.
start_noise() {
	{
		renice -n 10 "$BASHPID"
		while [[ ! -e $tmp/enough ]]; do
			kp -j -s session show || true
			kp listener add noise 10.1.0.1:8001 upstream app || true
			kp -j -s server show || true
			kp listener del noise kill || true
			sleep 0.2
		done
	} >/dev/null 2>&1 &
	noise=$!
	defer stop "$noise"
}

# All that is not there, or is not as the traffic wants it.
restore() {
	local n

	kp upstream add app || true
	for n in 2 3 4; do
		kp server add app "10.2.0.$n:9000" ||
			kp server set app "10.2.0.$n:9000" state up weight 1 || true
	done
	kp listener add main '10.1.0.1:8000,[fd01::1]:8000' upstream app || true
} 2>/dev/null

sessions_at_least() {
	at_least "live sessions" "$(kp_json length session show)" "$1"
}

# The actions. Some find nothing to act on, because another one was first.

# Not in a subshell, which would have random numbers of its own.
pick_server() {
	picked=10.2.0.$((RANDOM % 3 + 2)):9000
}

listener_del() {
	kp listener del main || true
}

listener_del_kill() {
	kp listener del main kill || true
}

listener_set() {
	kp listener set main maxconn $((RANDOM % 9)) backlog $((RANDOM % 99 + 1)) ||
		true
}

server_drain() {
	pick_server
	kp server set app "$picked" state drain || true
}

server_down() {
	pick_server
	kp server set app "$picked" state down || true
}

server_up() {
	pick_server
	kp server set app "$picked" state up weight $((RANDOM % 257)) || true
}

server_del() {
	pick_server
	kp server del app "$picked" || true
}

upstream_del() {
	kp listener del main || true
	kp upstream del app || true
}

kill_some() {
	local ids

	mapfile -t ids < <(kp_json '.[].id' session show)
	((${#ids[@]} == 0)) || kp session kill "${ids[RANDOM % ${#ids[@]}]}" || true
}

kill_listener() {
	kp session kill listener main || true
}

kill_upstream() {
	kp session kill upstream app || true
}

kill_server() {
	pick_server
	kp session kill server "$picked" || true
}

kill_client() {
	kp session kill client 10.1.0.0/24 || true
	kp session kill client ::/0 || true
}

# shellcheck disable=SC2034 # used by the scripts that source this
actions=(listener_del listener_del_kill listener_set server_drain server_down
	server_up server_del upstream_del kill_some kill_listener kill_upstream
	kill_server kill_client)

# What ends everything. A dump that is read just now holds the module.
module_out() {
	until rmmod kproxy 2>"$tmp/rmmod"; do
		grep -q 'in use' "$tmp/rmmod"
	done
}
