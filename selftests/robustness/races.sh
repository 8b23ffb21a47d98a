#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Races: a CPU is delayed at every point where it has read something and not yet
# acted on it, while everything happens that can happen. SEED=N; WALK=60 seconds,
# 0 for all of it; RACES=NAME,... these points, these events. The quick run takes
# the same pairs each time.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

[[ -d /sys/kernel/debug/failslab ]] ||
	skip_all "this kernel has no points to delay a CPU at"
plan 2
load
topology
((SCALE == 1)) || : "${SEED:=21}" "${WALK:=40}"
export SEED=${SEED:-$RANDOM} KPROXY_KO=$ko
echo "# SEED=$SEED"

# The scenes take the proxy's namespace away and want it back.
{
	echo "#!/bin/bash"
	declare -f add_netns add_link add_addr know add_proxy
	echo "defer() { :; }"
	# shellcheck disable=SC2016 # the script's own
	echo '"$@"'
} >"$tmp/topology"
chmod +x "$tmp/topology"

# shellcheck disable=SC2086 # words
scenes 2 "$tmp/topology" "${WALK:-60}" ${RACES:-}
finish
