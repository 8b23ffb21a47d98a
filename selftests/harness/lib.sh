# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by all tests. A test is a script that sources this, plans its number of
# results, sets up what it needs, and ends with "finish":
#
#	. "$(dirname "$0")/../harness/lib.sh"
#	plan 2
#	load
#	topology
#	check "a sentence that is true" command argument...
#	scenes 1
#	finish
#
# Where only scenes follow the set-up, a test is one file in Python; see peer.py.
#
# Each set-up registers its undo at once, by "defer". Wait for conditions with
# "wait_for"; time alone proves nothing.
#
#	 kp-client              kp-proxy                kp-server
#	10.1.0.2 ---veth--- 10.1.0.1   10.2.0.1 ---veth--- 10.2.0.2, .3, .4
#	fd01::2             fd01::1    fd02::1             fd02::2
#
# Environment:
#   KPROXY_KO   the module (default: the one in the source tree)
#   SCALE       divides payloads (1; more on slow kernels)
#   PATIENCE    multiplies time limits (1)

set -euo pipefail

harness=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$harness/../.." && pwd)
: "${test_file:=$0}"
here=$(cd "$(dirname "$test_file")" && pwd)
test_name=$(basename "${test_file%.*}")
ko=${KPROXY_KO:-$top/module/kproxy.ko}
# For the tests' Python halves. Without -S, Python would also run what packages want
# to have run at each start.
export PYTHONPATH=$harness:/usr/lib/python3/dist-packages
export SCALE=${SCALE:-1} PATIENCE=${PATIENCE:-1}
tmp=$(mktemp -d)
# The tests' Python halves have both ends of many sessions open.
ulimit -n 16384
results=0 failures=0 planned=0 loaded=
undo=("rm -rf $tmp")

# Messages of a kernel that has found a bug; selftests/vm/run knows more.
complaints='WARNING: |\bBUG: |KASAN:|Oops|general protection fault'
complaints+='|possible (circular|recursive) locking|INFO: .*(stall|blocked for)'
complaints+='|suspicious RCU|UBSAN: |ODEBUG: '
complaints+='|refcount_t: |ref_tracker: .*(leaked|has)'
complaints+='|unregister_netdevice: waiting|inconsistent lock state'

# Results

plan() {
	((EUID == 0)) || skip_all "needs root"
	[[ -e $ko ]] || skip_all "there is no module in $ko"
	command -v kproxy >/dev/null || skip_all "there is no kproxy command"
	planned=$(($1 + 4)) # finish adds its own
	echo "TAP version 13"
	echo "1..$planned"
}

skip_all() {
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

diag() {
	sed 's/^/# /'
}

ok() {
	results=$((results + 1))
	echo "ok $results $*"
}

not_ok() {
	results=$((results + 1))
	failures=$((failures + 1))
	echo "not ok $results $*"
}

skip() { # NAME REASON
	ok "$1 # SKIP $2"
}

# The state of the proxy and the kernel, for the reader of a failure.
diagnose() {
	echo "-- sessions"
	kp -j session show | head -c 4000
	echo "-- counters"
	kp -j stats show
	kproxy -j pool show
	echo "-- sockets of the proxy"
	proxy ss -Htinp | head -n 40
	echo "-- kernel"
	dmesg | tail -n 15
}

# The end of a check's subshell: look before things are undone.
leave() { # STATUS
	set +eE
	(($1 == 0)) || diagnose 2>&1
	cleanup
	exit "$1"
}

# check NAME COMMAND...: one result. The command runs in a subshell that stops
# at its first error; its output is shown if it fails.
check() {
	local name=$1 status begun=$SECONDS

	shift
	set +e
	(
		# shellcheck disable=SC2030 # the subshell's own
		undo=()
		trap 'leave $?' EXIT
		trap 'echo "line $LINENO: \"$BASH_COMMAND\" failed"' ERR
		set -eE
		"$@"
	) >"$tmp/check" 2>&1
	status=$?
	set -e
	if ((status == 0)); then
		ok "$name"
		echo "# $((SECONDS - begun)) s"
	else
		not_ok "$name"
		diag <"$tmp/check"
		echo "# exit status $status"
	fi
}

# Where trace points are listened to.
mount_tracefs() {
	[[ -d /sys/kernel/tracing/instances ]] ||
		mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || true
}

# scenes N [ARGUMENT]...: the N results of this script's Python half.
scenes() {
	local want=$((results + $1)) line other=()

	shift
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "${line#ok }" ;;
		"not ok "*) not_ok "${line#not ok }" ;;
		"# "*) printf '%s\n' "$line" ;;
		*) other+=("$line") ;;
		esac
	done < <(timeout -k 5 "$((${LIMIT:-300} * PATIENCE))" \
		python3 -S "$here/$test_name.py" "$@" 2>&1 || echo "status $?")
	while ((results < want)); do
		not_ok "a scene did not finish"
	done
	((${#other[@]} == 0)) || printf '%s\n' "${other[@]}" | diag
}

# The end of every test: has it left anything behind?
finish() {
	check "no session is left" no_sessions
	check "the pools are whole again" pools_whole
	remove_topology
	check "the module unloads" unload
	check "the kernel has found nothing wrong" kernel_content
	((results == planned)) || {
		echo "# $results results, but $planned were planned"
		failures=$((failures + 1))
	}
	((failures == 0))
	exit
}

# Undoing

defer() { # COMMAND ARGUMENT...
	# shellcheck disable=SC2031 # each shell has its own
	undo=("$(printf '%q ' "$@")" "${undo[@]}")
}

cleanup() {
	local command

	set +eE
	# shellcheck disable=SC2031 # each shell has its own
	for command in "${undo[@]}"; do
		eval "$command"
	done >/dev/null 2>&1
	undo=()
}

# Waiting

# wait_for SECONDS COMMAND...: until it succeeds; the last output is shown.
wait_for() {
	local end=$((SECONDS + $1 * PATIENCE + 1))

	shift
	until "$@" >"$tmp/wait" 2>&1; do
		if ((SECONDS > end)); then
			echo "waited in vain for: $*"
			cat "$tmp/wait"
			return 1
		fi
		sleep 0.05
	done
}

# Programs

# start NS COMMAND...: in the background, until the end; its pid is in $pid.
start() {
	ip netns exec "$@" </dev/null >>"$tmp/$2.log" 2>&1 &
	pid=$!
	defer stop "$pid"
}

stop() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# Assertions

same() { # WHAT GOT WANT
	[[ $2 == "$3" ]] || {
		printf '%s: got "%s", want "%s"\n' "$1" "$2" "$3"
		return 1
	}
}

at_least() { # WHAT GOT LEAST
	(($2 >= $3)) || {
		printf '%s: got %s, want at least %s\n' "$1" "$2" "$3"
		return 1
	}
}

at_most() { # WHAT GOT MOST
	(($2 <= $3)) || {
		printf '%s: got %s, want at most %s\n' "$1" "$2" "$3"
		return 1
	}
}

lacks() { # PATTERN FILE
	if grep -iE -- "$1" "$2"; then
		echo "$2 is to be without that"
		return 1
	fi
}

# refused STATUS PATTERN COMMAND...: it fails with this status, prints nothing
# but one line on standard error, and that matches.
refused() {
	local want=$1 pattern=$2 got=0 lines

	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || got=$?
	mapfile -t lines <"$tmp/err"
	if ((got != want || ${#lines[@]} != 1)) || [[ -s $tmp/out ]] ||
		[[ ! ${lines[0]} =~ $pattern ]]; then
		echo "want status $want and one line like: $pattern"
		echo "of: $*"
		echo "got status $got, standard output:"
		head -n 5 "$tmp/out"
		echo "standard error:"
		head -n 5 "$tmp/err"
		return 1
	fi
}

# The module and the command

# load [PARAMETER=VALUE]...
load() {
	local suites=/sys/module/kunit/parameters/filter_glob

	# The module's KUnit suites have a run of their own, and would take
	# minutes.
	[[ ! -w $suites ]] || echo none >$suites
	[[ ! -d /sys/module/kproxy ]] || rmmod kproxy
	echo "kproxy-selftest: $test_name" >/dev/kmsg
	! has_kmemleak || echo clear >$leaks
	insmod "$ko" "$@"
	loaded=1
	defer rmmod kproxy
}

leaks=/sys/kernel/debug/kmemleak

has_kmemleak() {
	[[ -w $leaks ]] && ! grep -qw kmemleak=off /proc/cmdline
}

kp() {
	kproxy -n kp-proxy "$@"
}

# kp_json FILTER ARGUMENT...: the command's JSON, through jq.
kp_json() {
	local filter=$1

	shift
	kp -j "$@" | jq -r "$filter"
}

stat() { # COUNTER
	kp_json ".[0].$1" stats show
}

# The network

# "ip netns exec" would also mount /sys, as "start" does.
client() {
	nsenter --net=/run/netns/kp-client "$@"
}

proxy() {
	nsenter --net=/run/netns/kp-proxy "$@"
}

server() {
	nsenter --net=/run/netns/kp-server "$@"
}

add_netns() {
	ip netns add "$1"
	defer ip netns del "$1"
	ip -n "$1" link set lo up
}

# add_link NS-A DEVICE-A NS-B DEVICE-B
add_link() {
	ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
	ip -n "$1" link set "$2" up
	ip -n "$3" link set "$4" up
}

# add_addr NS DEVICE ADDRESS...
add_addr() {
	local addr nodad

	for addr in "${@:3}"; do
		[[ $addr == *:* ]] && nodad=nodad || nodad=
		echo "addr add $addr dev $2 $nodad"
	done | ip -n "$1" -batch -
}

topology() {
	remove_topology
	add_netns kp-client
	add_netns kp-server
	add_proxy
}

# The proxy's namespace, and its cables to the two others.
add_proxy() {
	add_netns kp-proxy
	add_link kp-client eth0 kp-proxy front
	add_link kp-server eth0 kp-proxy back
	add_addr kp-client eth0 10.1.0.2/24 fd01::2/64
	add_addr kp-proxy front 10.1.0.1/24 fd01::1/64
	add_addr kp-proxy back 10.2.0.1/24 fd02::1/64
	add_addr kp-server eth0 10.2.0.2/24 10.2.0.3/24 10.2.0.4/24 fd02::2/64
	know kp-proxy front kp-client eth0 10.1.0.2 fd01::2
	know kp-proxy back kp-server eth0 10.2.0.2 10.2.0.3 10.2.0.4 fd02::2
}

# know NS DEVICE OTHER-NS ITS-DEVICE ADDRESS...: permanent neighbour entries. A
# link that loses everything would lose neighbour discovery too, and "no route
# to host" comes sooner than what a test waits for.
know() {
	local mac addr

	mac=$(ip -n "$3" -o link show dev "$4")
	mac=${mac#*link/ether }
	mac=${mac%% *}
	for addr in "${@:5}"; do
		echo "neigh replace $addr lladdr $mac dev $2 nud permanent"
	done | ip -n "$1" -batch -
}

# The end of a cable goes away with the last reference to the namespace of its
# other end.
proxy_is_gone() {
	! ip -n kp-client link show eth0
}

remove_topology() {
	local ns

	for ns in kp-client kp-proxy kp-server; do
		ip netns del "$ns" 2>/dev/null || true
	done
}

# A listener at 10.1.0.1:8000 and [fd01::1]:8000, its server at 10.2.0.2:9000.
simple_proxy() {
	kp upstream add app
	kp server add app 10.2.0.2:9000
	kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app "$@"
}

# Checks at the end

no_session() {
	same "live sessions" "$(kp -j session show)" "[]"
}

no_sessions() {
	[[ -e /run/netns/kp-proxy && -d /sys/module/kproxy ]] || return 0
	wait_for 10 no_session
}

# Consumed packets wait on the CPU that allocated them until that CPU next
# processes its network queues. Make it do that.
nudge_cpus() {
	local cpu

	for cpu in $(seq 0 $(($(nproc) - 1))); do
		taskset -c "$cpu" bash -c 'echo >/dev/udp/127.0.0.1/9'
	done
}

pools_are_whole() {
	nudge_cpus
	kproxy pool show >"$tmp/pools"
	# CPU PAGES FREE REFILLS SESSIONS FREE REFILLS FALLBACKS
	awk 'NR > 1 && ($2 != $3 || $5 != $6) { bad = 1 }
		END { exit bad || NR < 2 }' "$tmp/pools" ||
		{ cat "$tmp/pools"; return 1; }
}

pools_whole() {
	[[ -d /sys/module/kproxy ]] || return 0
	wait_for 20 pools_are_whole
}

unload() {
	[[ $loaded ]] || return 0
	[[ ! -d /sys/module/kproxy ]] || rmmod kproxy
	[[ ! -d /sys/module/kproxy ]]
}

# The kernel's resources, for a comparison before and after.

# TIME-WAIT ones are the kernel's, all others are ours.
no_sockets() {
	same "the proxy's sockets" \
		"$(proxy ss -Htan | awk '$1 != "TIME-WAIT"')" ""
}

# TCP sockets of all namespaces, also those that no process has.
sockets_allocated() {
	awk '$1 == "TCP:" { for (i = 2; i < NF; i++)
		if ($i == "alloc") print $(i + 1) }' /proc/net/sockstat
}

# Namespaces; the shrinking puts free ones that a CPU keeps back.
namespaces() {
	local slab=/sys/kernel/slab/net_namespace

	echo 1 >$slab/shrink
	cut -d' ' -f1 $slab/objects
}

# KiB that only the kernel can free: slabs, and per-CPU memory.
kernel_kb() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(SUnreclaim|Percpu|VmallocUsed):/ { n += $2 } END { print n }' \
		/proc/meminfo
}

# leaks_of_ours FILE: without the kernel's own. A slab that finds no memory for
# its place in sysfs loses its name.
leaks_of_ours() {
	awk 'function judge() {
			if (leak !~ /sysfs_slab_add/) printf "%s", leak
			leak = ""
		}
		/^unreferenced object/ { judge() }
		{ leak = leak $0 "\n" }
		END { judge() }' "$1"
}

no_leak() {
	has_kmemleak || return 0
	# kmemleak does not report objects younger than five seconds.
	echo scan >$leaks
	sleep 6
	echo scan >$leaks
	leaks_of_ours $leaks >"$tmp/leaks"
	if [[ -s $tmp/leaks ]]; then
		head -n 60 "$tmp/leaks"
		return 1
	fi
}

# The kernel's messages since this test loaded the module.
kernel_messages() {
	dmesg | awk -v mark="kproxy-selftest: $test_name" '
		index($0, mark) { n = 0 }
		{ lines[n++] = $0 }
		END { for (i = 0; i < n; i++) print lines[i] }'
}

kernel_content() {
	no_leak
	if kernel_messages | grep -E "$complaints" >/dev/null; then
		kernel_messages | grep -E -A 30 "$complaints" | head -n 80
		return 1
	fi
}

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
