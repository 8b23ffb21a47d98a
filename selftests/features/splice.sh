#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two sockets of a program are spliced in the kernel, by libkproxy and by the
# command, and go back to the program as they were. What cannot be spliced is
# refused and stays as it was, whatever the program does meanwhile.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 42
load user_splices=8
topology
scenes 42
finish
