# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The works: bulk-STREAMS, far-STREAMS (50 ms away), rr-SIZE-CONNECTIONS,
# crr-CONNECTIONS (a new connection for each request), wrk, mixed, idle-SESSIONS,
# calibrate. A work leaves its program's findings and the processors' time in
# $tmp/result.
#
# shellcheck disable=SC2154 # tmp, target, bench: of those who source this

# span N prints N times $SPAN milliseconds, in seconds.
span() {
	local ms=$(($1 * ${SPAN:-100}))

	printf '%d.%03d' $((ms / 1000)) $((ms % 1000))
}

# in_time COMMAND...: a command that hangs is stopped, and has failed.
in_time() {
	client timeout "$(span 100)" "$@"
}

# busy prints the time that the processors have worked, in hundredths of a second.
busy() {
	local user nice system idle iowait irq softirq steal

	read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
	: "$idle" "$iowait"
	echo $((user + nice + system + irq + softirq + steal))
}

# mark NAME: what was counted since the last mark is the profile NAME (insns.c,
# profile).
mark() {
	[[ ${PROFILE:-} ]] || return 0
	echo "$1" >"$KPROXY_OUT/mark"
	while [[ -e $KPROXY_OUT/mark ]]; do
		sleep 0.01
	done
}

# counters prints kproxy's counters, if the peer is kproxy.
counters() {
	[[ -d /sys/module/kproxy ]] || return 0
	printf '{"pool": %s, "stats": %s}' "$(proxy kproxy -j pool show)" \
		"$(proxy kproxy -j stats show)"
}

# measured COMMAND...: a JSON object, to $tmp/result as "found", and the time
# that the processors worked meanwhile. Where time is instructions, a program
# that waits for a file of the host may find its time over.
measured() {
	local before counted worked

	counted=$(counters)
	before=$(busy)
	mark before
	"$@" >"$tmp/found"
	mark "$peer.$work"
	worked=$(($(busy) - before))
	[[ -s $tmp/found ]] || return
	printf '"busy": %d, "found": %s' "$worked" "$(<"$tmp/found")"
	[[ ! $counted ]] || printf ', "counters": [%s, %s]' "$counted" "$(counters)"
} >"$tmp/result"

# Where an instruction is a nanosecond, 256 MiB last long enough; where noise is
# to be averaged, $BULK seconds.
bulk() { # STREAMS
	local length=(-n 256M) found

	[[ ! ${BULK:-} ]] || length=(-t "$BULK")
	in_time iperf3 -c "$target" -P "$1" "${length[@]}" -i 0 -J >"$tmp/iperf"
	found=$(<"$tmp/iperf")
	[[ $found == *sum_received* && $found != *'"error":'* ]] || return
	echo "${found//[$'\n\t']/}"
}

# A longer link to the client: windows must grow to fill it.
far() { # STREAMS
	local ends=(kp-client:eth0 kp-proxy:front) end

	[[ $target != "$direct" ]] || ends=(kp-client:direct kp-server:direct)
	modprobe sch_netem
	for end in "${ends[@]}"; do
		tc -n "${end%:*}" qdisc add dev "${end#*:}" root netem \
			delay 25ms limit 100000
		defer tc -n "${end%:*}" qdisc del dev "${end#*:}" root
	done
	bulk "$1"
}

requests() { # MODE ARGUMENT...
	client load "$1" "$target:9000" "${@:2}"
}

# http CONNECTIONS. An interrupt ends wrk sooner than the whole seconds that it
# can be told, and it reckons with those that it has had.
http() {
	client timeout -s INT "$(span 3)" \
		wrk -t 1 -c "$1" -d 60s -s "$bench/wrk.lua" \
		"http://$target:8080/1k" >"$tmp/wrk" || (($? == 124))
	grep '"errors": 0,' "$tmp/wrk"
}

# Requests while two streams keep the path full.
mixed() {
	start kp-client iperf3 -c "$target" -P 2 -t 60 -i 0
	wait_for 10 bulk_runs >&2 || return
	requests rr 1024 8 "$(span 1)"
}

bulk_runs() {
	client ss -Htn state established "dport = :5201" | grep -c . |
		grep -qx 3
}

bytes() { # 16k
	case $1 in
	*k) echo $((${1%k} * 1024)) ;;
	*) echo "${1%b}" ;;
	esac
}

# kernel_memory prints the bytes of slab, and of all that is neither free nor
# some program's or file's.
kernel_memory() {
	awk '{ kb[$1] = $2 }
		END {
			other = kb["MemFree:"] + kb["Buffers:"] + kb["Cached:"]
			other += kb["AnonPages:"]
			printf "%.0f %.0f\n", 1024 * kb["Slab:"],
				1024 * (kb["MemTotal:"] - other)
		}' /proc/meminfo
}

# idle SESSIONS: their memory, and the speed beside them.
idle() {
	local slab=0 all=0 slab_after all_after

	if (($1)); then
		read -r slab all < <(kernel_memory)
		hold "$1"
	fi
	read -r slab_after all_after < <(kernel_memory)
	printf '{"sessions": %d, "slab": %d, "kernel": %d, "rr": %s, "bulk": %s}' \
		"$1" $((slab_after - slab)) $((all_after - all)) \
		"$(requests rr 1 16 "$(span 1)")" "$(bulk 1)"
}

# The sessions last until the input of their program ends.
hold() { # SESSIONS
	mkfifo "$tmp/hold"
	ip netns exec kp-client load hold "$target:9000" "$1" \
		<"$tmp/hold" >"$tmp/held" &
	holder=$!
	exec 9>"$tmp/hold"
	defer release
	wait_for 600 test -s "$tmp/held"
}

release() {
	exec 9>&-
	wait "$holder"
	rm "$tmp/hold" "$tmp/held"
}

# Every path that will be measured, once: pages of programs are read, pools and
# caches are filled.
warm_up() {
	in_time iperf3 -c "$target" -n 16M >/dev/null
	requests rr 1 1 0.02 >/dev/null
	requests crr 1 1 0.02 >/dev/null
	client wrk -v >/dev/null || true
	in_time curl -sS -o /dev/null "http://$target:8080/1k?[1-100]"
}

# The cost of a system call and of a copy on this clock.
calibrate() {
	command calibrate "$tmp/calibrate"
}

run_work() { # NAME
	local kind first second

	IFS=- read -r kind first second <<<"$1"
	case $kind in
	bulk) measured bulk "$first" ;;
	far) measured far "$first" ;;
	rr) measured requests rr "$(bytes "$first")" "$second" "$(span 1)" ;;
	crr) measured requests crr 1 "$first" "$(span 2)" ;;
	wrk) measured http 16 ;;
	mixed) measured mixed ;;
	idle) measured idle "$first" ;;
	calibrate) measured calibrate ;;
	*) return 1 ;;
	esac
}
