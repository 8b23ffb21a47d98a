# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The peers: peer_NAME starts one, between $front and $back on every one of
# $ports, and returns when it serves; the end of the stage ends it.
#
# shellcheck disable=SC2034,SC2154 # front, back, direct, target: of stage.sh

# Not every peer works on every topology.
offered() { # TOPOLOGY PEER
	case $1-$2 in
	loopback-routed | loopback-ipvs) return 1 ;;
	esac
}

# The client and the server, and nothing in between.
peer_direct() {
	target=$direct
}

# One connection that the proxy's namespace forwards: the least cost of passing
# through it.
peer_routed() {
	target=$back
}

# kproxy_between OPTION...: those of its upstreams.
kproxy_between() {
	local port parameters=${POOL:-}

	# shellcheck disable=SC2086 # several
	insmod "$ko" ${parameters//,/ }
	defer rmmod kproxy
	for port in "${ports[@]}"; do
		kp upstream add "up-$port" "$@"
		kp server add "up-$port" "$back:$port"
		kp listener add "on-$port" "$front:$port" upstream "up-$port"
	done
}

peer_kproxy() {
	kproxy_between
}

# With idle connections to the server.
peer_kproxy_preconnect() {
	kproxy_between preconnect 16
}

# Masquerading. It does not end the connection either; packets of the server
# come back this way because it is the server's route.
peer_ipvs() {
	local port

	modprobe ip_vs conn_tab_bits=18
	modprobe ip_vs_rr
	for port in "${ports[@]}"; do
		proxy ipvsadm -A -t "$front:$port" -s rr
		proxy ipvsadm -a -t "$front:$port" -r "$back:$port" -m
	done
	defer proxy ipvsadm -C
}

# started COMMAND...: a proxy that is a process, listening.
started() {
	start kp-proxy "$@"
	wait_for 20 listens kp-proxy "$front"
}

# pairs prints LISTEN=SERVER of each port.
pairs() {
	printf "$front:%s\n" "${ports[@]}" |
		sed "s/.*:\(.*\)/&=$back:\1/"
}

peer_relay_rw() {
	mapfile -t pairs < <(pairs)
	started relay rw "${pairs[@]}"
}

peer_relay_splice() {
	mapfile -t pairs < <(pairs)
	started relay splice "${pairs[@]}"
}

peer_sockmap() {
	mapfile -t pairs < <(pairs)
	started sockmap "$(command -v sockmap).bpf.o" "${pairs[@]}"
}

peer_haproxy() {
	haproxy_options=""
	started haproxy -db -f "$(configuration haproxy.cfg)"
}

peer_haproxy_splice() {
	haproxy_options="option splice-auto"
	haproxy_options+="\n\toption splice-request\n\toption splice-response"
	started haproxy -db -f "$(configuration haproxy.cfg)"
}

peer_nginx() {
	started nginx -c "$(configuration nginx.conf)" -e "$tmp/nginx.log"
}

# A process for each port, and one for each connection.
peer_socat() {
	local port

	for port in "${ports[@]}"; do
		start kp-proxy socat -b 65536 \
			"TCP-LISTEN:$port,bind=$front,fork,reuseaddr,backlog=4096,nodelay" \
			"TCP:$back:$port,nodelay"
	done
	wait_for 20 listens kp-proxy "$front"
}
