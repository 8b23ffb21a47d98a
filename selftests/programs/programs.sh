#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Common programs, unchanged, through this proxy.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"
# shellcheck source=selftests/programs/programs.bash
. "$here/programs.bash"

requests=$((SCALE > 1 ? 20 : 100))
bulk=$((64 / SCALE + 4))M

plan 14
load
topology

add_proxies

# One request per connection: each server gets its share by weight.
by_weight() {
	get -H 'Connection: close' "http://10.1.0.1/who?[1-$requests]" |
		sort | uniq -c | awk '{ print $2, $1 }' >"$tmp/who"
	cat "$tmp/who"
	same "requests to each server" "$(<"$tmp/who")" \
		"$(printf '%s %s\n' 10.2.0.2 $((requests / 5)) \
			10.2.0.3 $((requests / 5)) 10.2.0.4 $((requests * 3 / 5)))"
}

keepalive() {
	local connects before

	before=$(kp_json '.[0].stats.sessions_total' -s listener show web)
	connects=$(get -o /dev/null -w '%{num_connects}\n' \
		"http://10.1.0.1/who?[1-20]" | awk '{ n += $1 } END { print n }')
	same "connections of the client" "$connects" 1
	same "sessions" \
		"$(kp_json '.[0].stats.sessions_total' -s listener show web)" \
		"$((before + 1))"
}

download() {
	get -o "$tmp/got" http://10.1.0.1/blob
	cmp "$tmp/got" "$tmp/nginx/www/blob"
	get -o "$tmp/got" -g 'http://[fd01::1]/blob'
	cmp "$tmp/got" "$tmp/nginx/www/blob"
}

tls() {
	get -o "$tmp/got" --cacert "$tmp/nginx/cert" \
		--resolve test.example:443:10.1.0.1 https://test.example/blob
	cmp "$tmp/got" "$tmp/nginx/www/blob"
}

tls_openssl() {
	# -quiet goes on reading when the input has ended: no half-close here.
	printf 'GET /who HTTP/1.0\r\n\r\n' |
		client openssl s_client -quiet -connect 10.1.0.1:443 \
			-servername test.example -CAfile "$tmp/nginx/cert" \
			-verify_return_error >"$tmp/s_client" 2>"$tmp/s_client.err" || {
		cat "$tmp/s_client.err"
		return 1
	}
	grep -q 10.2.0.2 "$tmp/s_client"
}

iperf() { # ARGUMENT...
	start_iperf
	transfer "$@"
}

transfer() { # ARGUMENT...
	client timeout $((60 * PATIENCE)) iperf3 -c 10.1.0.1 -p 5201 -n "$bulk" \
		-J "$@" >"$tmp/iperf" || {
		jq .error "$tmp/iperf"
		return 1
	}
	# With both directions, it ends when one of them has finished.
	jq -e '.error == null and
		([.end | .sum_received, .sum_received_bidir_reverse | values | .bytes] |
			all(. > 0) and add > 1000000)' "$tmp/iperf"
}

counted_transfer() {
	kp stats show reset >/dev/null
	transfer
}

# by_reference PERCENT: bytes spliced, and fewer runs of the pump deferred.
by_reference() {
	kp_json '.[0]' stats show
	kp -j stats show | jq -e --argjson most "$1" '.[0] |
		.bytes_spliced > 0.99 * (.bytes_spliced + .bytes_copied) and
		.pumps_deferred < $most / 100 * .pumps_inline'
}

# No other CPU can hold the destination's lock when data arrives.
bulk_on_one_processor() {
	taskset -pc 0 "$BASHPID"
	start_iperf
	counted_transfer
	by_reference 1
}

# The destination's acknowledgements arrive on the other CPU, which holds its
# lock meanwhile: for long if a busy host stops it, hence more than one try, and
# for as long as a pump runs on a debug kernel.
bulk_on_two_processors() {
	local most=5

	((SCALE < 16)) || most=50
	start_iperf
	for _ in 1 2 3; do
		counted_transfer
		! by_reference "$most" || return 0
	done
	return 1
}

redis() {
	start_redis
	client timeout $((100 * PATIENCE)) redis-benchmark -h 10.1.0.1 \
		-n $((2000 / SCALE)) -c 20 -t set,get,lpush -d 100 -P 4 -q \
		>"$tmp/redis" 2>&1
	tr '\r' '\n' <"$tmp/redis" | tail -n 5
	lacks error "$tmp/redis"
	same "what is stored" "$(client redis-cli -h 10.1.0.1 set key value)" OK
	same "what is found" "$(client redis-cli -h 10.1.0.1 get key)" value
}

# With a port, as wrk looks up "http" in /etc/services, which may not be there.
with_wrk() {
	client wrk -t2 -c 200 -d 3 --timeout $((10 * PATIENCE)) \
		http://10.1.0.1:80/who >"$tmp/wrk"
	cat "$tmp/wrk"
	lacks 'Socket errors|Non-2xx' "$tmp/wrk"
	grep -q 'requests in' "$tmp/wrk"
}

start_nginx
check "curl and nginx: each request its connection, servers by weight" by_weight
check "curl and nginx: keep-alive is one session" keepalive
check "curl and nginx: a file, over IPv4 and IPv6" download
check "curl and nginx: TLS passes through" tls
check "openssl s_client: TLS passes through" tls_openssl
if command -v wrk >/dev/null; then
	check "wrk: 200 connections without an error" with_wrk
else
	skip "wrk: 200 connections without an error" "no wrk"
fi
check "iperf3, forward" iperf
check "iperf3, reverse" iperf -R
check "iperf3, both ways" iperf --bidir
check "iperf3, four streams" iperf -P 4
check "bulk goes by reference, and when it is received" bulk_on_one_processor
check "bulk on two processors: most of it, too" bulk_on_two_processors
check "redis-benchmark and redis-server" redis
kp listener del web kill
kp upstream add app
kp server add app 10.2.0.2:9000
kp listener add app 10.1.0.1:8000 upstream app
scenes 1
finish
