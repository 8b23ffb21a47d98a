# shellcheck shell=bash
# Several targets of make one after the other, within a limit of time; their
# results are added up. For .ci/run and selftests/night.
#
# begin MINUTES, then part for each target, then total, which is the last line:
# "N passed, N failed".

passed=0 failed=0

begin() { # MINUTES
	end=$((SECONDS + $1 * 60))
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
}

left() {
	echo $((end - SECONDS))
}

minutes_left() {
	echo $(($(left) / 60))
}

# part TARGET [NAME=VALUE]...: run it, and add the last line that it printed to
# the sums. A part that is not finished in time has failed.
part() {
	local target=$1 begun=$SECONDS status last

	echo "== make $*, $(minutes_left) minutes are left"
	timeout -k 60 "$(left)" make --no-print-directory "$@" 2>&1 |
		tee "$log"
	status=${PIPESTATUS[0]}
	# A number of skipped ones may follow.
	last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		((status == 0 || BASH_REMATCH[2])) || failed=$((failed + 1))
	else
		echo "== make $target did not say what has passed"
		failed=$((failed + 1))
	fi
	echo "== make $target: exit status $status, ${last:-no result}," \
		"$(((SECONDS - begun) / 60)) minutes"
}

# optional MINUTES TARGET [NAME=VALUE]...: a part that is left out when there is
# less time than that. If it takes longer nevertheless, it does not begin the rest
# of its scripts, and says so.
optional() {
	local minutes=$1

	shift
	if (($(left) < minutes * 60)); then
		echo "== left out: make $*; it may take $minutes minutes," \
			"$(minutes_left) are left"
	else
		# The last ones need their time.
		UNTIL=$(($(date +%s) + $(left) - 300)) part "$@"
	fi
}

# build_minutes KERNEL MINUTES: how long it takes to build a kernel: none if it is
# in the cache.
build_minutes() {
	(
		# shellcheck source=selftests/vm/lib.sh
		. selftests/vm/lib.sh
		[[ ! -d $(kernel_tree "$1" 2>/dev/null) ]]
	) && echo "$2" || echo 0
}

total() {
	echo "$passed passed, $failed failed"
	((failed == 0))
}
