#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Routes: the upstream by the server name that a TLS client requests, however
# its first message is split, while routes and files change.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

plan 23
load
topology
simple_proxy
for n in 3 4; do
	name=$([[ $n == 3 ]] && echo exact || echo wild)
	kp upstream add "$name"
	kp server add "$name" "10.2.0.$n:9000"
done
export CERT=$tmp/cert
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
	-subj /CN=example.com -keyout "$CERT" -out "$tmp/x509" 2>"$tmp/openssl"
cat "$tmp/x509" >>"$CERT"
scenes 23
finish
