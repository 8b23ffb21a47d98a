# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The stage of the benchmark: namespaces, addresses, and the servers. Every peer
# gets a new one, so that none inherits another's TIME-WAIT sockets.
#
#	 kp-client               kp-proxy                kp-server
#	10.1.0.2 ---veth--- 10.1.0.1   10.2.0.1 ---veth--- 10.2.0.2
#	10.3.0.1 -----------------------veth-------------- 10.3.0.2
#
# The third link is for the direct connection. On "loopback" the three are one
# namespace; the proxy is at 127.0.0.1, the server at 127.0.0.2.
#
# A peer listens at $front and connects to $back. The client talks to $target.
#
# shellcheck disable=SC2034,SC2154 # who sources this has and uses the others

sysctls=(
	# More connections than the default has ports, to one address.
	"net.ipv4.ip_local_port_range=1024 65535"
	# No connection learns from the one before.
	net.ipv4.tcp_no_metrics_save=1
	net.ipv4.ip_forward=1
)

tune() { # NS
	ip netns exec "$1" sysctl -qw "${sysctls[@]}"
}

# A veth has the processor that sends a packet also receive it, so that one
# processor does the client's work, the proxy's and half of the server's. Spread
# connections over all, as a network card with many queues would.
spread() { # NS
	local mask

	printf -v mask '%x' $(((1 << $(nproc)) - 1))
	ip netns exec "$1" sh -c "
		for rps in /sys/class/net/*/queues/rx-*/rps_cpus; do
			[ ! -e \$rps ] || echo $mask >\$rps
		done"
}

stage_veth() {
	local ns

	topology
	add_link kp-client direct kp-server direct
	add_addr kp-client direct 10.3.0.1/24
	add_addr kp-server direct 10.3.0.2/24
	ip -n kp-client route add default via 10.1.0.1
	ip -n kp-server route add default via 10.2.0.1
	for ns in kp-client kp-proxy kp-server; do
		tune $ns
		[[ $CLOCK != wall ]] || spread $ns
	done
	front=10.1.0.1 back=10.2.0.2 direct=10.3.0.2 any=0.0.0.0
	target=$front
}

# Other names of one namespace.
stage_loopback() {
	local ns

	add_netns kp-proxy
	tune kp-proxy
	for ns in kp-client kp-server; do
		ln -s kp-proxy "/run/netns/$ns"
		defer rm -f "/run/netns/$ns"
	done
	# The proxy has the same ports.
	front=127.0.0.1 back=127.0.0.2 direct=127.0.0.2 any=127.0.0.2
	target=$front
}

# configuration FILE prints where a copy for this stage is.
configuration() {
	sed -e "s|@FRONT@|$front|g" -e "s|@BACK@|$back|g" -e "s|@ANY@|$any|g" \
		-e "s|@TMP@|$tmp|g" -e "s|@CPUS@|$(nproc)|g" \
		-e "s|@OPTIONS@|${haproxy_options:-}|" "$bench/peers/$1" >"$tmp/$1"
	echo "$tmp/$1"
}

# listens NS ADDRESS: all of $ports are open there.
listens() {
	local port open

	open=$(ip netns exec "$1" ss -Hltn)
	for port in "${ports[@]}"; do
		[[ $open == *" $2:$port "* ]] || return 1
	done
}

# What the servers listen on, and every peer: load, iperf3, HTTP.
ports=(9000 5201 8080)

start_servers() {
	start kp-server serve "$any:9000"
	start kp-server iperf3 -s -B "$any"
	mkdir -p "$tmp/www"
	# Its workers run as another user.
	chmod 755 "$tmp"
	head -c 1024 /dev/zero >"$tmp/www/1k"
	start kp-server nginx -c "$(configuration web.conf)" -e "$tmp/web.log"
	wait_for 20 listens kp-server "$any"
}
