# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Common servers, and a proxy in front of each. Source it after lib.sh.

: "${tmp:?}"

add_proxies() {
	local name back front

	kp upstream add web
	kp server add web 10.2.0.2:8080 weight 1
	kp server add web 10.2.0.3:8080 weight 1
	kp server add web 10.2.0.4:8080 weight 3
	kp listener add web '10.1.0.1:80,[fd01::1]:80' upstream web
	for name in tls:8443:443 iperf:5201:5201 redis:6379:6379; do
		IFS=: read -r name back front <<<"$name"
		kp upstream add "$name"
		kp server add "$name" "10.2.0.2:$back"
		kp listener add "$name" "10.1.0.1:$front" upstream "$name"
	done
}

listens() { # ADDRESS:PORT
	server ss -Hltn "src $1" | grep . >/dev/null
}

start_nginx() {
	mkdir -p "$tmp/nginx/www"
	head -c $((8 << 20)) /dev/urandom >"$tmp/nginx/www/blob"
	# Its workers run as another user.
	chmod 755 "$tmp"
	openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		-nodes -days 2 -subj /CN=test.example \
		-addext subjectAltName=DNS:test.example \
		-keyout "$tmp/nginx/key" -out "$tmp/nginx/cert" 2>"$tmp/openssl" ||
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 \
			-subj /CN=test.example -addext subjectAltName=DNS:test.example \
			-keyout "$tmp/nginx/key" -out "$tmp/nginx/cert" 2>"$tmp/openssl"
	cat >"$tmp/nginx/conf" <<-CONF
		daemon off;
		pid $tmp/nginx/pid;
		error_log $tmp/nginx/error.log;
		worker_processes 2;
		events { worker_connections 2048; }
		http {
			access_log off;
			sendfile on;
			keepalive_requests 100000;
			client_body_temp_path $tmp/nginx/body;
			proxy_temp_path $tmp/nginx/proxy;
			fastcgi_temp_path $tmp/nginx/fastcgi;
			uwsgi_temp_path $tmp/nginx/uwsgi;
			scgi_temp_path $tmp/nginx/scgi;
			server {
				listen 10.2.0.2:8080 backlog=2048;
				listen 10.2.0.3:8080 backlog=2048;
				listen 10.2.0.4:8080 backlog=2048;
				listen 10.2.0.2:8443 ssl;
				ssl_certificate $tmp/nginx/cert;
				ssl_certificate_key $tmp/nginx/key;
				root $tmp/nginx/www;
				location = /who { return 200 "\$server_addr\\n"; }
				location / { }
			}
		}
	CONF
	start kp-server nginx -c "$tmp/nginx/conf"
	wait_for 20 listens 10.2.0.2:8443
}

get() { # CURL-ARGUMENT...
	client curl -sS --fail --max-time $((60 * PATIENCE)) "$@"
}

start_iperf() {
	start kp-server iperf3 -s -B 10.2.0.2 -p 5201
	wait_for 20 listens 10.2.0.2:5201
}

start_redis() {
	start kp-server redis-server --bind 10.2.0.2 --port 6379 \
		--protected-mode no --save '' --dir "$tmp"
	wait_for 20 listens 10.2.0.2:6379
}
