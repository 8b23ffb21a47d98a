#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The PROXY protocol: a listener that requires a header, and an upstream that
# sends one; alone, and with programs that speak it.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

plan 28
load
topology
modprobe -q sch_netem || true
simple_proxy

listens() { # ADDRESS:PORT
	server ss -Hltn "src $1" | grep . >/dev/null
}

options_shown() {
	kp listener set web accept-proxy on
	kp upstream set app send-proxy v2
	same accept-proxy "$(kp_json '.[0]."accept-proxy"' listener show web)" on
	same send-proxy "$(kp_json '.[0]."send-proxy"' upstream show app)" v2
	refused 1 'listener "web": accept-proxy yes: must be off or on' \
		kp listener set web accept-proxy yes
	refused 1 'upstream "app": send-proxy v3: must be off or v1 or v2' \
		kp upstream set app send-proxy v3
	kp listener set web accept-proxy off
	kp upstream set app send-proxy off
	same accept-proxy \
		"$(kp_json '.[0] | has("accept-proxy")' listener show web)" false
	same send-proxy \
		"$(kp_json '.[0] | has("send-proxy")' upstream show app)" false
}

# Both report their client's address.
start_receivers() {
	mkdir -p "$tmp/nginx"
	chmod 755 "$tmp"
	cat >"$tmp/nginx/conf" <<-CONF
		daemon off;
		pid $tmp/nginx/pid;
		error_log $tmp/nginx/error.log;
		events { }
		http {
			access_log off;
			client_body_temp_path $tmp/nginx/body;
			proxy_temp_path $tmp/nginx/proxy;
			fastcgi_temp_path $tmp/nginx/fastcgi;
			uwsgi_temp_path $tmp/nginx/uwsgi;
			scgi_temp_path $tmp/nginx/scgi;
			server {
				listen 10.2.0.2:8081 proxy_protocol;
				listen [fd02::2]:8081 proxy_protocol;
				return 200 "\$proxy_protocol_addr \$proxy_protocol_server_addr:\$proxy_protocol_server_port\\n";
			}
		}
	CONF
	cat >"$tmp/receiver" <<-CONF
		defaults
			mode http
			timeout client 60s
			timeout server 60s
			timeout connect 60s
		frontend receiver
			bind 10.2.0.2:8082 accept-proxy
			http-request return status 200 content-type text/plain lf-string "%[src] %[dst]:%[dst_port]\\n"
	CONF
	start kp-server nginx -c "$tmp/nginx/conf"
	start kp-server haproxy -db -f "$tmp/receiver"
	wait_for 30 listens 10.2.0.2:8081
	wait_for 30 listens 10.2.0.2:8082
}

# For each receiver and version a listener, and one that requires a header
# itself.
make_listeners() {
	local receiver version name front

	for receiver in 81 82; do
		for version in 1 2; do
			name=u$receiver$version
			front=10.1.0.1:${receiver}0$version
			kp upstream add "$name" send-proxy "v$version"
			kp server add "$name" "10.2.0.2:80$receiver"
			kp listener add "$name" "$front" upstream "$name"
			kp listener add "$name-in" "${front/:8/:9}" upstream "$name" \
				accept-proxy on
		done
	done
}

get() { # CURL-ARGUMENT...
	client curl -sS --fail --max-time $((60 * PATIENCE)) "$@"
}

told() { # PORT [CURL-ARGUMENT]...
	same "what the server behind $1 was told" \
		"$(get "http://10.1.0.1:$1/" "${@:2}")" "10.1.0.2 10.1.0.1:$1"
}

tells() { # RECEIVER
	told "${1}01"
	told "${1}02"
}

# curl sends its real addresses.
tells_on() {
	local port

	for port in 9101 9102 9201 9202; do
		told "$port" --haproxy-protocol
	done
	# Without a header no client gets through.
	! get http://10.1.0.1:9101/
}

sender() { # OPTION PORT
	cat >"$tmp/sender" <<-CONF
		defaults
			mode tcp
			timeout client 60s
			timeout server 60s
			timeout connect 60s
		listen sender
			bind 127.0.0.1:8090
			bind [::1]:8090
			server kproxy 10.1.0.1:$2 $1
	CONF
	start kp-client haproxy -db -f "$tmp/sender"
	wait_for 30 client curl -sS --fail -o "$tmp/out" http://127.0.0.1:8090/
}

told_by_haproxy() { # OPTION PORT
	sender "$1" "$2"
	same "what the server was told" "$(get http://127.0.0.1:8090/)" \
		"127.0.0.1 127.0.0.1:8090"
	same "of IPv6" "$(get -g 'http://[::1]:8090/' | tr -d '[]')" \
		"::1 ::1:8090"
	stop "$pid"
}

check "options are shown where they differ from the default" options_shown
scenes 21
kp listener del web kill
start_receivers
make_listeners
check "nginx learns its client's address" tells 81
check "HAProxy learns its client's address" tells 82
check "curl's header is passed on to nginx and HAProxy" tells_on
check "HAProxy's header of version 1 is passed on" told_by_haproxy send-proxy 9102
check "HAProxy's header of version 2 is passed on" \
	told_by_haproxy send-proxy-v2 9201
check "with its extensions, too" told_by_haproxy \
	"send-proxy-v2 proxy-v2-options crc32c" 9202
finish
