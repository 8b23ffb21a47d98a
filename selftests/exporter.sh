#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "kproxy exporter" serves what Prometheus, programs and people want to know,
# and nothing that one of them sends or fails to take changes that.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# The exporter listens where it is started, which is not the proxy's namespace.
ip link set lo up

plan 14
load
topology
simple_proxy
scenes 14
finish
