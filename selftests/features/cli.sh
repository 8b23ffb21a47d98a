#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command with the module: what it refuses and how, what it shows, and with
# how many objects. Tests without the module are in tools/tests.

# shellcheck source=selftests/harness/lib.sh
. "$(dirname "$0")/../harness/lib.sh"

many=$((SCALE > 1 ? 200 : 1200))
name63=$(printf 'n%.0s' {1..63})

plan 24

no_module() {
	local call

	for call in 'upstream show' 'upstream add app' 'listener show' \
		'session show' 'stats show' 'pool show' '-j listener show'; do
		# shellcheck disable=SC2086 # words
		refused 2 'no kproxy: load it' kproxy $call
	done
}

[[ ! -d /sys/module/kproxy ]] || rmmod kproxy
check "without the module: one line that says how to load it" no_module
load
topology

kp upstream add app
kp server add app 10.2.0.2:9000
kp listener add web 10.1.0.1:8000 upstream app
kp listener add other 10.1.0.1:8001 upstream app

everything() {
	printf 'upstream show\nlistener show\n' | kp -j -b -
}

is_refused() { # STATUS PATTERN ARGUMENT...
	refused "$1" "$2" kp "${@:3}"
}

# A command, after which the configuration is what it was.
unchanged() {
	local before

	before=$(everything)
	"$@"
	same "the configuration" "$(everything)" "$before"
}

duplicates() {
	is_refused 2 'listener "web": .*exists' \
		listener add web 10.1.0.1:8009 upstream app
	is_refused 2 'upstream "app": .*exists' upstream add app
	is_refused 2 '10.2.0.2:9000.*already' server add app 10.2.0.2:9000
	is_refused 2 '10.2.0.2\]:9000.*already' \
		server add app '[::ffff:10.2.0.2]:9000'
	is_refused 1 '10.1.0.1:8009.*twice' \
		listener add x 10.1.0.1:8009,10.1.0.1:8009 upstream app
}

unknown() {
	is_refused 2 'listener "x": .*nowhere.*no such upstream|no such upstream.*nowhere' \
		listener add x 10.1.0.1:8009 upstream nowhere
	is_refused 2 'nowhere.*no such upstream|no such upstream.*nowhere' \
		listener set web upstream nowhere
	is_refused 2 'listener "x": no such listener' listener set x maxconn 1
	is_refused 2 'listener "x": no such listener' listener del x
	is_refused 2 'listener "x": no such listener' listener show x
	is_refused 2 'upstream "x": no such upstream' upstream set x retries 1
	is_refused 2 'upstream "x": no such upstream' upstream del x
	is_refused 2 'upstream "x": no such upstream' upstream show x
	is_refused 2 'no such upstream' server add x 10.2.0.9:1
	is_refused 2 'no such server' server set app 10.2.0.9:1 weight 2
	is_refused 2 'no such server' server del app 10.2.0.9:1
	is_refused 2 'no such upstream' server show x
	is_refused 2 'session "99999": no such session' session kill 99999
}

addresses() {
	is_refused 2 'listener "x": address 10.1.0.1:8000 is already in use' \
		listener add x 10.1.0.1:8000 upstream app
	is_refused 2 'listener "x": address 10.9.9.9:8000 is not local' \
		listener add x 10.9.9.9:8000 upstream app
	is_refused 2 '\[fd09::9\]:8000 is not local' \
		listener add x '[fd09::9]:8000' upstream app
	# One bad address of many, and none of the good ones stays open.
	is_refused 2 '10.9.9.9:8007 is not local' listener add x \
		10.1.0.1:8005,10.1.0.1:8006,10.9.9.9:8007 upstream app
	same "listening" "$(proxy ss -Hltn 'sport >= 8005')" ""
	is_refused 2 '\*:8000 is already in use' \
		listener add x '*:8000' upstream app
	# A program's port is as taken as ours.
	start kp-proxy python3 -c 'import socket, time
s = socket.create_server(("10.1.0.1", 8010))
time.sleep(1000)'
	wait_for 20 someone_listens 8010
	is_refused 2 '10.1.0.1:8010 is already in use' \
		listener add x 10.1.0.1:8010 upstream app
	is_refused 1 'specific address' server add app '*:80'
	is_refused 1 '10.1.0.1' listener add x 10.1.0.1 upstream app
	is_refused 1 '10.1.0.1:0' listener add x 10.1.0.1:0 upstream app
	is_refused 1 '10.1.0.1:65536' listener add x 10.1.0.1:65536 upstream app
	is_refused 1 'nosuchdev' \
		listener add x '[fe80::1%nosuchdev]:80' upstream app
}

someone_listens() {
	proxy ss -Hltn "sport = $1" | grep . >/dev/null
}

names() {
	local bad

	for bad in '' "${name63}n" 'a b' 'a/b' 'ä' $'a\nb' '*' 'a"b'; do
		is_refused 1 'a name is 1 to 63' upstream add "$bad"
		is_refused 1 'a name is 1 to 63' \
			listener add "$bad" 10.1.0.1:8009 upstream app
		is_refused 1 'a name is 1 to 63' \
			listener add x 10.1.0.1:8009 upstream "$bad"
	done
	kp upstream add "$name63"
	kp listener add "$name63" 10.1.0.1:8009 upstream "$name63"
	kp server add "$name63" 10.2.0.2:1
	same "its upstream" "$(kp_json '.[0].upstream' listener show "$name63")" \
		"$name63"
	kp listener del "$name63"
	kp upstream del "$name63"
	kp upstream add ...
	kp upstream del ...
}

values() {
	is_refused 1 'weight' server set app 10.2.0.2:9000 weight 257
	is_refused 1 'weight' server set app 10.2.0.2:9000 weight -1
	is_refused 1 'retries' upstream set app retries x
	is_refused 1 'balance' upstream set app balance fairest
	is_refused 1 'connect-timeout' listener set web connect-timeout 0
	is_refused 1 'idle-timeout' listener set web idle-timeout 10
	is_refused 1 'backlog' listener set web backlog 0
	is_refused 1 'maxconn' listener set web maxconn 99999999999
	is_refused 1 'bogus' listener set web bogus 1
	is_refused 1 'unknown object' frobnicate
	is_refused 1 'unknown command' listener frobnicate
}

in_use() {
	is_refused 2 'upstream "app": .*listener' upstream del app
}

# The first refusal ends the batch, and earlier changes stay.
batch() {
	printf '%s\n' '# a comment' 'upstream add b1' '' 'upstream add b2' \
		'upstream add b1' 'upstream add b3' >"$tmp/batch"
	refused 2 'batch:5: upstream "b1": .*exists' kp -b "$tmp/batch"
	same "upstreams" "$(kp_json '.[].name' upstream show | xargs)" "app b1 b2"
	printf 'upstream del b1\nupstream del b2\n' | kp -b -
	same "upstreams" "$(kp_json '.[].name' upstream show | xargs)" "app"
}

batch_of_show() {
	printf 'upstream show\nlistener show\n' | kp -j -b - >"$tmp/docs"
	same "documents" "$(jq -s length "$tmp/docs")" 2
}

servers_of_big() { # FROM TO
	seq "$1" "$2" | awk '{
		printf "server add big 10.3.%d.%d:80\n", $1 / 250, $1 % 250 + 1
	}'
}

ten_thousand() {
	kp upstream add big balance maglev
	servers_of_big 1 10000 | kp -b -
	same "different ones" \
		"$(kp_json '.[].address' server show big | sort -u | wc -l)" 10000
	is_refused 2 '10.3.40.1:80.*already' server add big 10.3.40.1:80
	kp server del big 10.3.20.1:80
	kp server set big 10.3.40.1:80 weight 7
	same "servers" "$(kp_json '.[0].servers | length' upstream show big)" 9999
	kp server add big 10.3.20.1:80
	servers_of_big 10001 17000 >"$tmp/servers"
	refused 2 'servers:6385: .*16384' kp -b "$tmp/servers"
	same "servers" "$(kp_json length server show big)" 16384
	kp upstream del big
	same "servers after that" "$(kp_json length server show)" 1
}

many_upstreams() {
	seq -f 'upstream add u%g' "$many" | kp -b -
	seq -f 'server add u%g 10.2.0.2:9000' "$many" | kp -b -
	same "upstreams" \
		"$(kp_json '.[].name' upstream show | grep '^u' | sort -u | wc -l)" \
		"$many"
	same "servers" "$(kp_json '[.[].servers[]] | length' upstream show)" \
		"$((many + 1))"
	same "servers" "$(kp_json length server show)" "$((many + 1))"
}

many_listeners() {
	seq "$many" | awk '{
		print "listener add l" $1, "10.1.0.1:" 10000 + $1, "upstream u" $1
	}' | kp -b -
	same "listeners" \
		"$(kp_json '.[].name' listener show | grep '^l' | sort -u | wc -l)" \
		"$many"
	seq -f 'listener del l%g' "$many" | kp -b -
	seq -f 'upstream del u%g' "$many" | kp -b -
	same "listeners" "$(kp_json '.[].name' listener show | xargs)" "web other"
}

most_addresses() {
	local list status=0

	list=$(seq -s, -f '10.1.0.1:%g' 20001 20064)
	kp listener add wide "$list" upstream app
	same "addresses" "$(kp_json '.[0].addresses | length' listener show wide)" 64
	kp listener del wide
	# Either of the two may notice.
	kp listener add wide "$list,10.1.0.1:20065" upstream app 2>"$tmp/err" ||
		status=$?
	at_least status "$status" 1
	same "lines of the error" "$(wc -l <"$tmp/err")" 1
	grep -q 64 "$tmp/err"
	same "listening" "$(proxy ss -Hltn 'sport >= 20001')" ""
}

shortened() {
	same "l s" "$(kp -j l s)" "$(kp -j listener show)"
	same "u s app" "$(kp -j u s app)" "$(kp -j upstream show app)"
	same "ses sh" "$(kp -j ses sh)" "$(kp -j session show)"
	kp u a short
	kp server a short 10.2.0.2:1
	kp u d short
	same "upstreams" "$(kp_json '.[].name' upstream show | xargs)" "app"
}

options_shown() {
	kp listener set web maxconn 5 backlog 100 connect-timeout 1s \
		idle-timeout 2m fin-timeout 3s max-age 1h
	kp upstream set app retries 0
	kp server set app 10.2.0.2:9000 weight 7 state drain
	kp -j listener show web | jq -e '.[0] | .maxconn == 5 and
		.backlog == 100 and (keys - ["name", "addresses", "upstream",
		"maxconn", "backlog", "connect-timeout", "idle-timeout",
		"fin-timeout", "max-age"] | length) == 0 and (keys | length) == 9'
	kp -j upstream show app | jq -e '.[0].retries == 0'
	kp -j server show app | jq -e '.[0].weight == 7 and .[0].state == "drain"'
	kp listener set web maxconn 0 backlog 4096 connect-timeout 5s \
		idle-timeout 10m fin-timeout 60s max-age 0
	kp upstream set app retries 2
	kp server set app 10.2.0.2:9000 weight 1 state up
	same "keys with defaults" "$(kp_json '.[0] | keys | join(" ")' \
		listener show web)" "addresses name upstream"
}

# Set every option, see it shown, and put it back by one word. "upstream" names one.
put_back() { # OBJECT KEY OPTION VALUE...
	local object=$1 key=$2 before shown i

	before=$(kp -j "$object" show "${key%% *}")
	for ((i = 3; i < $#; i += 2)); do
		mapfile -t shown < <(kp -j -b - <<-END
			$object set $key ${!i} ${*:i+1:1}
			$object show ${key%% *}
			$object set $key ${!i} default
			$object show ${key%% *}
		END
		)
		same "documents about ${!i}" "${#shown[@]}" 2
		[[ ${shown[0]} != "$before" ]] || {
			echo "${!i} is not shown"
			return 1
		}
		same "after ${!i} default" "${shown[1]}" "$before"
	done
}

put_back_all() {
	local sockets=(nodelay off keepalive "30s,5s,3" keepalive off rcvbuf 64k
		sndbuf 128k congestion reno user-timeout 30s notsent-lowat 16k
		dscp 46 mark 7 fastopen on pacing 10mbit)

	put_back listener web maxconn 5 backlog 100 connect-timeout 1s \
		idle-timeout 0 fin-timeout 3s max-age 1h rate 100 \
		client-maxconn 3 client-rate 4 allow 10.0.0.0/8,fd00::/8 \
		deny 10.1.0.0/16 accept-proxy on transparent on log-sample 10 \
		"${sockets[@]}"
	put_back upstream app balance maglev retries 0 check tcp interval 10s \
		timeout 100ms rise 1 fall 1 eject 3 eject-time 1m preconnect 2 \
		send-proxy v2 source 10.2.0.1 source client "${sockets[@]}"
	put_back server 'app 10.2.0.2:9000' weight 256 maxconn 10 backup on \
		state drain state down
	# At once, and of a new object.
	kp listener set web maxconn default idle-timeout default
	kp upstream add fresh retries default source default pacing default
	same "a fresh one" "$(kp_json '.[0] | keys | join(" ")' \
		upstream show fresh)" "balance name servers"
	kp upstream del fresh
	is_refused 2 'no such upstream' listener set web upstream default
}

default_in_a_file() {
	kp config save "$tmp/was"
	kp config apply - <<-END
		upstreams:
		  app: {retries: default, pacing: default, source: default}
		listeners:
		  web: {listen: "10.1.0.1:8000", upstream: app, deny: default}
	END
	same "keys" "$(kp_json '.[0] | keys | join(" ")' listener show web)" \
		"addresses name upstream"
	kp config apply "$tmp/was"
}

other_netns() {
	kproxy -n kp-server upstream add elsewhere
	same "there" "$(kproxy -n kp-server -j upstream show | jq -r '.[].name')" \
		elsewhere
	same "here" "$(kp_json '.[].name' upstream show)" app
	kproxy -n kp-server upstream del elsewhere
	refused 1 'nonesuch' kproxy -n nonesuch upstream show
}

stats_reset() {
	kp stats show reset >/dev/null
	same "sessions_total" "$(stat sessions_total)" 0
}

version() {
	local module

	module=$(modinfo -F version "$ko")
	kproxy version | grep -F "$module" >/dev/null
}

check "names and addresses that are in use already" unchanged duplicates
check "objects that do not exist" unchanged unknown
check "addresses that are in use, not local, or invalid" unchanged addresses
check "invalid names, and the longest one" unchanged names
check "invalid values" unchanged values
check "an upstream in use is not deleted" unchanged in_use
check "a batch ends at the first error and says where" batch
check "a batch of shows is one document each" batch_of_show
check "10,000 servers in an upstream; the 16,385th is too many" ten_thousand
check "more than 1,000 upstreams and servers" many_upstreams
check "more than 1,000 listeners" many_listeners
check "64 addresses in a listener, and one too many" most_addresses
check "shortened words" shortened
check "options are shown where they differ from the default" options_shown
check "every option is shown, and put back by \"default\"" put_back_all
check "\"default\" in a file" default_in_a_file
check "-n" other_netns
check "stats show reset" stats_reset
check "version tells the module's, too" version
scenes 4
finish
