#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Random sessions under random changes: no peer gets a byte or an end of a stream
# that is not its own, and nothing hangs. SESSIONS=N (400), SEED=N.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

sessions=${SESSIONS:-400}
export SEED=${SEED:-$RANDOM}

plan 1
# Built by "run", because a compiler is slow in an emulated machine.
traffic=$top/build/session-traffic
if [[ ! $traffic -nt $here/session-traffic.c ]]; then
	traffic=$tmp/session-traffic
	cc -O2 -o "$traffic" "$here/session-traffic.c" ||
		skip_all "there is no C compiler"
fi
load
topology
echo "# SEED=$SEED SESSIONS=$sessions"
scenes 1 "$traffic" "$sessions" $((${LIMIT:-300} - 30))
finish
