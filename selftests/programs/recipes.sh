#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# More than one host, by the files of docs/recipes: addresses that BIRD announces
# and one that keepalived moves.
#
#	kp-client --- kp-router --- kp-server
#	                  | "hosts", a bridge: 10.3.0.1
#	             .----'----.
#	         kp-proxy   kp-second
#	         10.3.0.2   10.3.0.3

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

recipes=$top/docs/recipes

router() {
	ip netns exec kp-router "$@"
}

has_multipath() {
	unshare -n sh -c 'ip link add dummy type dummy && ip link set dummy up &&
		ip addr add 10.0.0.1/24 dev dummy &&
		ip route add 10.1.0.0/24 nexthop via 10.0.0.2 nexthop via 10.0.0.3'
}

# add_host NS ADDRESS PORT: a kproxy host on the router's bridge.
add_host() {
	add_netns "$1"
	add_link "$1" eth0 kp-router "$3"
	ip -n kp-router link set "$3" master hosts
	add_addr "$1" eth0 "$2/24"
	ip -n "$1" route add default via 10.3.0.1
	know kp-router hosts "$1" eth0 "$2"
	know "$1" eth0 kp-router hosts 10.3.0.1
}

hosts_topology() {
	local n

	remove_topology
	add_netns kp-client
	add_netns kp-server
	add_netns kp-router
	ip -n kp-router link add hosts type bridge
	ip -n kp-router link set hosts up
	add_addr kp-router hosts 10.3.0.1/24
	add_link kp-client eth0 kp-router clients
	add_link kp-server eth0 kp-router servers
	add_addr kp-router clients 10.1.0.1/24
	add_addr kp-router servers 10.2.0.1/24
	add_addr kp-server eth0 10.2.0.2/24 10.2.0.3/24 10.2.0.4/24
	for n in $(seq 100 149); do
		echo "addr add 10.1.0.$n/24 dev eth0"
	done | ip -n kp-client -batch -
	ip -n kp-client route add default via 10.1.0.1
	ip -n kp-server route add default via 10.2.0.1
	add_host kp-proxy 10.3.0.2 port2
	add_host kp-second 10.3.0.3 port3
}

# The same servers, in another order.
reorder() {
	kproxy -n kp-second server del app 10.2.0.2:9000
	kproxy -n kp-second server add app 10.2.0.2:9000
}

start_bird() { # NS CONFIGURATION
	start "$1" bird -f -c "$recipes/ecmp/$2" -s "$tmp/$1.ctl" \
		-P "$tmp/$1.pid"
	daemons+=("$pid")
}

start_keepalived() { # NS
	start "$1" keepalived --dont-fork --log-console --no-syslog --vrrp \
		-f "$recipes/moving-address/keepalived.conf" \
		-p "$tmp/$1.pid" -r "$tmp/$1.vrrp"
	daemons+=("$pid")
}

stop_daemons() {
	local pid

	for pid in "${daemons[@]}"; do
		stop "$pid"
	done
	daemons=()
}

for program in bird keepalived; do
	command -v $program >/dev/null || skip_all "there is no $program"
done
has_multipath || skip_all "the kernel has no multipath routes"

plan 9
load
hosts_topology
# Where keepalived.conf expects it, writable for root only.
[[ -e /usr/sbin/kproxy ]] || {
	defer rm -f /usr/sbin/kproxy
	install "$(command -v kproxy)" /usr/sbin/kproxy
}

router "$recipes/ecmp/router.sh"
daemons=()
start_bird kp-router router.conf
for host in kp-proxy kp-second; do
	ip netns exec $host "$recipes/ecmp/host.sh"
	start_bird $host host.conf
done
reorder
scenes 5 both_hosts same_server host_dies meanwhile host_returns
stop_daemons

for host in kp-proxy kp-second; do
	ip netns exec $host sysctl -qw net.ipv4.ip_nonlocal_bind=0
done
check "without ip_nonlocal_bind there is no listener for an address that is elsewhere" \
	refused 2 'not local' kp config apply "$recipes/moving-address/kproxy.yaml"
for host in kp-proxy kp-second; do
	ip netns exec $host "$recipes/moving-address/host.sh"
	start_keepalived $host
done
reorder
scenes 3 one_has_it service_ends cable_pulled
((failures == 0)) || tail -n 40 "$tmp"/{bird,keepalived}.log | diag

# The sessions of the dead host go with it; the end of a session that a cut link
# kept from its client would be retransmitted until fin-timeout.
stop_daemons
ip netns del kp-second
kp session kill client 0.0.0.0/0 || true
finish
