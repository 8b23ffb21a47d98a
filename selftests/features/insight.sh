#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# End reasons and stalls are counted for each listener and server; trace points
# report the rest, as the document says.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 12
load
topology
simple_proxy
mount_tracefs
scenes 11 none ends sum_of_ends metrics waited_for ends_stalled times story \
	refused bounded_runs documented
if [[ -e /sys/kernel/tracing/events/kproxy/kproxy_connect/hist ]]; then
	scenes 1 typed
else
	skip "what the document types" "no histograms of events in this kernel"
fi
finish
