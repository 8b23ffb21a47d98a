#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that send a text and compare the reply: servers of every kind of
# misbehaviour, and real ones.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 12
load
topology
kp upstream add app
kp listener add web 10.1.0.1:8000 upstream app connect-timeout 2s
scenes 12
finish
