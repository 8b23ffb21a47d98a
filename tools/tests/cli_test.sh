#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The command line: exit status, and the one line on standard error. Nothing
# here gets as far as the module, so that it runs on any machine.

cd "$(dirname "$0")/.." || exit 1

# shellcheck source=tools/tests/result.sh
. tests/result.sh

# The command must be refused with this status and exactly this line.
refused() { # STATUS LINE ARGUMENT...
	status=$1
	line=$2
	shift 2
	./kproxy "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	ok=0
	[ $got = "$status" ] && [ ! -s "$dir/out" ] &&
		[ "$(cat "$dir/err")" = "kproxy: $line" ] && ok=1
	result $ok "$line"
}

# The same for a batch file of these lines.
batch_refused() { # STATUS LINE TEXT
	printf '%b' "$3" >"$dir/batch"
	refused "$1" "$dir/batch:$2" -b "$dir/batch"
	./kproxy -b - <"$dir/batch" >"$dir/out" 2>"$dir/err"
	ok=0
	[ "$(cat "$dir/err")" = "kproxy: -:$2" ] && ok=1
	result $ok "from standard input: $2"
}

# The command must succeed and print this somewhere.
prints() { # TEXT ARGUMENT...
	text=$1
	shift
	ok=0
	./kproxy "$@" >"$dir/out" 2>"$dir/err" </dev/null &&
		[ ! -s "$dir/err" ] && grep -qF -- "$text" "$dir/out" && ok=1
	result $ok "$* prints $text"
}

prints 'Usage: kproxy' help
prints 'Usage: kproxy' -h
prints 'Usage: kproxy' --help
prints 'kproxy listener add NAME' l help
prints 'idle-timeout T' listener help
prints '(default 10m)' listener help
prints 'keepalive IDLE,INTERVAL,COUNT|off' listener help
prints '(default 60s,10s,6)' upstream help
prints 'balance roundrobin|leastconn|random|maglev' up h
prints 'allow CIDR[,CIDR]...      networks whose clients are admitted (default all)' \
	listener help
prints 'accept-proxy off|on' listener help
prints 'balance roundrobin' up h
prints 'send-proxy off|v1|v2' up h
prints 'state up|drain|down' server help
prints 'client ADDR[/LEN]' ses help
prints 'stats show [reset]' st help
prints 'pool show' p help
for object in $(./kproxy help | awk '/^  kproxy [a-z]/ { print $2 }' | uniq); do
	prints "  kproxy $object" "$object" help
done

# Every option has its place in the manual.
for object in listener upstream server; do
	missing=$(./kproxy $object help | awk 'on { print $1 } /^Options:/ { on = 1 }' |
		while read -r option; do
			grep -qE "Cm $option( |$)" ../docs/man/kproxy.8 ||
				echo "$option"
		done)
	ok=0
	[ -z "$missing" ] && ok=1
	result $ok "options of $object that kproxy.8 lacks: ${missing:-none}"
done
prints 'kproxy 0.' version
prints 'kproxy 0.' -V
prints '[{"cli":"0.' -j version
prints '    "cli": "0.' -jp version
prints '[{"cli":"0.' --json v

refused 1 'OBJECT is missing, try "kproxy help"'
refused 1 'unknown object "foo", try "kproxy help"' foo
refused 1 'unknown object "", try "kproxy help"' ''
refused 1 'help: unexpected "x"' help x
refused 1 'option "-x" is unknown, try "kproxy help"' -jx l s
refused 1 'option "--foo" is unknown, try "kproxy help"' --foo l s
refused 1 'option "-n" needs a value, try "kproxy help"' -n
refused 1 'option "--batch" needs a value, try "kproxy help"' --batch
refused 1 'network namespace "no-such": No such file or directory' \
	-n no-such l s
refused 1 'network namespace "../x": No such file or directory' -n ../x l s
refused 1 'config: COMMAND is missing, try "kproxy config help"' config
refused 1 'route: unknown command "8080", try "kproxy route help"' r 8080
refused 1 'run: "x": port must be 1 to 65535' ru x
refused 1 'listener: unknown command "foo", try "kproxy listener help"' l foo
refused 1 'listener: NAME is missing, try "kproxy listener help"' l add
refused 1 'listener "web": ADDR:PORT is missing, try "kproxy listener help"' \
	l add web
refused 1 'listener "web": option "upstream" is missing' l add web '*:80'
refused 1 'listener "web": unknown option "speed"' \
	l add web '*:80' upstream app speed 5
refused 1 'listener "web": allow 10.0.0.0/33: prefix length must be 0 to 32' \
	l set web allow 10.0.0.0/8,10.0.0.0/33
refused 1 'listener "web": deny db8::%1/64: a network has no scope' \
	l set web deny db8::%1/64
refused 1 'listener "web": deny host: not a network, write ADDR/LEN' \
	l set web deny host
refused 1 'listener "web": deny 10.9.9.9/8: is given twice' \
	l set web deny 10.0.0.0/8,10.9.9.9/8
refused 1 'listener "web": allow "": empty network in the list' \
	l set web allow ,
refused 1 'listener "web": accept-proxy yes: must be off or on' \
	l set web accept-proxy yes
refused 1 'listener "web": option "maxconn" needs a value' \
	l add web '*:80' maxconn
refused 1 'listener "web": option "maxconn" is given twice' \
	l set web maxconn 1 maxconn 2
refused 1 'listener "web": idle-timeout 10: a time needs a unit: ms, s, m, h or d' \
	l set web idle-timeout 10
refused 1 'listener "web": idle-timeout 8d: must be 0 to 168h' \
	l set web idle-timeout 8d
refused 1 'listener "web": connect-timeout 0: must be 1ms to 168h' \
	l set web connect-timeout 0
refused 1 'listener "web": backlog 65536: must be 1 to 65535' \
	l set web backlog 65536
refused 1 'listener "web": maxconn "": not a number' l set web maxconn ''
refused 1 'listener "web": upstream a/b: a name is 1 to 63 of A-Za-z0-9._-' \
	l set web upstream a/b
refused 1 'listener "web": nodelay yes: must be off or on' l set web nodelay yes
refused 1 'listener "web": keepalive 60s: must be IDLE,INTERVAL,COUNT, as 60s,10s,6, or off' \
	l set web keepalive 60s
refused 1 'listener "web": keepalive 500ms,10s,6: times must be 1s to 32767s, in whole seconds' \
	l set web keepalive 500ms,10s,6
refused 1 'listener "web": keepalive 60s,10h,6: times must be 1s to 32767s, in whole seconds' \
	l set web keepalive 60s,10h,6
refused 1 'listener "web": keepalive 60s,10s,128: count must be 1 to 127' \
	l set web keepalive 60s,10s,128
refused 1 'listener "web": keepalive 60s,10s: count must be 1 to 127' \
	l set web keepalive 60s,10s
refused 1 'listener "web": keepalive 60s,10s,6,: must have three parts, as 60s,10s,6' \
	l set web keepalive 60s,10s,6,
refused 1 'listener "web": rcvbuf 64q: the unit of a size is k, m or g' \
	l set web rcvbuf 64q
refused 1 'listener "web": sndbuf 1g: must be 0 to 1073741823' \
	l set web sndbuf 1g
refused 1 'listener "web": congestion "": a name is 1 to 15 bytes' \
	l set web congestion ''
refused 1 'upstream "app": congestion reno-reno-reno-reno: a name is 1 to 15 bytes' \
	u set app congestion reno-reno-reno-reno
refused 1 'upstream "app": user-timeout 8d: must be 0 to 168h' \
	u set app user-timeout 8d
refused 1 'upstream "app": dscp 64: must be 0 to 63' u set app dscp 64
refused 1 'upstream "app": mark 4294967296: must be 0 to 4294967295' \
	u set app mark 4294967296
refused 1 'upstream "app": pacing 10m: a rate needs a unit: bit, kbit, mbit, gbit or tbit' \
	u set app pacing 10m
refused 1 'listener "web": no option is given' l set web
refused 1 'listener "web": empty address in the list' \
	l add web '*:80,' upstream app
refused 1 'listener "web": address 10.0.0.1:80: is given twice' \
	l add web '*:80,10.0.0.1:80,10.0.0.1:80' upstream app
refused 1 'listener "web": address 10.0.0.1:80: is given twice' \
	l set web listen '10.0.0.1:80,10.0.0.1:80'
# What "listen" was called before.
refused 1 'listener "web": address 10.0.0.1:80: is given twice' \
	l set web address '10.0.0.1:80,10.0.0.1:80'
refused 1 'listener "web": address 10.0.0.1:80: is given twice' \
	l set web addresses '10.0.0.1:80,10.0.0.1:80'
refused 1 'listener "web": unexpected "now"' l del web now
refused 1 'listener "web": rate 0: must be 1/s to 4294967295/s' \
	l drain web rate 0
refused 1 'listener "web": rate 5/m: not a number' l drain web rate 5/m
refused 1 'listener "web": deadline 5: a time needs a unit: ms, s, m, h or d' \
	l drain web rate 5/s deadline 5
refused 1 'listener "web": unexpected "now"' l del web kill now
refused 1 'listener "a\x0ab": a name is 1 to 63 of A-Za-z0-9._-' l s "a
b"
refused 1 'upstream "app": balance fair: must be roundrobin or leastconn or random or maglev or latency' \
	u add app balance fair
refused 1 'upstream "app": retries 65: must be 0 to 64' u add app retries 65
refused 1 'server: UPSTREAM is missing, try "kproxy server help"' server add
refused 1 'server: upstream "a b": a name is 1 to 63 of A-Za-z0-9._-' \
	server add 'a b' 10.0.0.1:80
refused 1 'server "*:80": a server needs a specific address' \
	server add app '*:80'
refused 1 'server "10.0.0.1:80": weight 257: must be 0 to 256' \
	server add app 10.0.0.1:80 weight 257
refused 1 'server "10.0.0.1:80": state off: must be up or drain or down' \
	server set app 10.0.0.1:80 state off
refused 1 'session: ID or FILTER is missing, try "kproxy session help"' \
	session kill
refused 1 'session "5": unexpected "listener"' session kill 5 listener web
refused 1 'session "0": sessions are numbered from 1' session show 0
refused 1 'session: unknown filter "x"' session show x y
refused 1 'session: filter "client" needs a value' session show client
refused 1 'session: filter "client" is given twice' \
	session show client 10.0.0.1 client 10.0.0.2
refused 1 'session: client "10.0.0.0/33": prefix length must be 0 to 32' \
	session kill client 10.0.0.0/33
refused 1 'route: LISTENER is missing, try "kproxy route help"' route add
refused 1 'route "web": sni PATTERN, alpn NAME, from CIDR or port N is missing, try "kproxy route help"' \
	route add web upstream app
refused 1 'route "web": upstream NAME is missing, try "kproxy route help"' \
	route add web sni a.example
refused 1 'route "web": sni PATTERN, alpn NAME, from CIDR or port N is missing, try "kproxy route help"' \
	route del web
refused 1 'route "web": PATTERN is missing, try "kproxy route help"' \
	route del web sni
refused 1 'route "web": unexpected "host", must be sni, alpn, from, port or upstream' \
	route add web host a.example upstream app
refused 1 'route "web": unexpected "host", must be sni, alpn, from or port' \
	route del web host a.example
refused 1 'route "web": "sni" is given twice' route add web sni a sni b
refused 1 'route "web": sni *: a server name is letters, digits, - and _ with dots between, perhaps after "*."' \
	route add web sni '*' upstream app
refused 1 "route \"web\": sni $(printf '%0256d' 0): a server name is at most 255 bytes long" \
	route del web sni "$(printf '%0256d' 0)"
refused 1 'route "web": upstream "a b": a name is 1 to 63 of A-Za-z0-9._-' \
	route add web sni a.example upstream 'a b'
refused 1 'route "a b": a name is 1 to 63 of A-Za-z0-9._-' route show 'a b'
refused 1 'route "web": unexpected "x"' route show web x
refused 1 'stats: unexpected "x"' stats show x
refused 1 'pool: unexpected "x"' pool show x

refused 1 '/no/such: No such file or directory' -b /no/such
refused 1 'unexpected "l" with a batch file' -b /dev/null l s
batch_refused 1 '4: unknown object "x", try "kproxy help"' \
	'# comment\n\n  # more\n  x y # z\nversion\n'
batch_refused 1 '1: listener "a b": a name is 1 to 63 of A-Za-z0-9._-' \
	'l show "a b"\n'
batch_refused 1 '1: a quote is not closed' 'l show "web\n'
batch_refused 1 '1: not a line of text' 'l show\0000 web\n'

# A configuration file of this text is refused with this place and line.
file_refused() { # PLACE LINE TEXT
	printf '%b' "$3" >"$dir/file"
	refused 1 "$dir/file:$1$2" config check "$dir/file"
	./kproxy config check - <"$dir/file" >"$dir/out" 2>"$dir/err"
	ok=0
	[ "$(cat "$dir/err")" = "kproxy: -:$1$2" ] && ok=1
	result $ok "from standard input: $2"
}

file_accepted() { # NAME TEXT
	printf '%b' "$2" >"$dir/file"
	ok=0
	./kproxy config check "$dir/file" >"$dir/out" 2>"$dir/err" &&
		[ ! -s "$dir/err" ] && [ ! -s "$dir/out" ] && ok=1
	result $ok "$1"
}

for file in ../docs/examples/*; do
	ok=0
	./kproxy config check "$file" 2>"$dir/err" && ok=1
	result $ok "$file is a configuration"
done
file_accepted 'nothing is a configuration' '{}'
file_accepted 'sections and objects may be empty' \
	'upstreams:\n  a:\n  b: {servers: }\n  c: ~\nlisteners:\n'
file_accepted 'listeners may come first' \
	'listeners: {w: {upstream: a, listen: "*:80"}}\nupstreams: {a: }\n'
file_accepted 'a listener may have routes' \
	'upstreams: {a: }\nlisteners: {w: {upstream: a, listen: "*:80", routes: [{upstream: a, sni: "*.b"}]}, v: {upstream: a, listen: "*:81", routes: }}\n'
file_accepted 'an alias stands for what it names' \
	'upstreams:\n  a: &a\n    servers: [{address: "10.0.0.1:80"}]\n  b: *a\n'
file_accepted 'booleans of YAML, and parts of a unit' \
	'upstreams: {a: {check: false, keepalive: no, nodelay: No, interval: 1.5s, servers: [{address: "10.0.0.1:80", backup: TRUE}]}}\nlisteners: {w: {upstream: a, listen: "*:80", accept-proxy: yes, transparent: off}}\n'
file_accepted 'JSON is YAML' \
	'{"upstreams": {"a": {"retries": 1,\n\t"servers": [{"address": "[::1]:80"}]}}}'
awk 'BEGIN { print "upstreams:"
	for (i = 0; i < 20000; i++) {
		if (i % 10000 == 0) print "  u" i ":\n    servers:"
		printf "      - address: 10.0.%d.%d:80\n", i / 250, i % 250
	} }' >"$dir/many"
./kproxy config check "$dir/many" 2>"$dir/err"
result $((! $?)) 'twice 10,000 servers are a configuration'
sed '/u10000/,+1d' "$dir/many" >"$dir/toomany"
refused 1 "$dir/toomany:16388:18: server \"10.0.65.134:80\": upstream \"u0\": at most 16384 servers" \
	config check "$dir/toomany"

file_refused '' ' the file is empty; an empty configuration is {}' ''
file_refused '' ' the file is empty; an empty configuration is {}' '# x\n'
file_refused 2:1: ' a second document "---"' '{}\n---\n{}\n'
file_refused 2:1: ' not YAML: did not find expected node content' \
	'upstreams: [\n'
file_refused 4:3: ' not YAML at "-": did not find expected key' \
	'upstreams:\n  x:\n   y:\n  - a\n'
file_refused 2:6: ' not YAML at "*a": found undefined alias' \
	'listeners:\n  x: *a\n'
file_refused 1:4: ' byte 0x01: control characters are not allowed' 'a: \0001\n'
file_refused 2:4: ' byte 0xff: invalid leading UTF-8 octet' '# \0303\0244\na: \0377\n'
file_refused 1:1: ' unknown section "upstream", must be upstreams or listeners' \
	'upstream:\n'
file_refused 1:1: ' a list must be a mapping' '- a\n'
file_refused 1:12: ' "5" must be a mapping' 'upstreams: 5\n'
file_refused 2:5: ' a key must be a word' 'upstreams:\n  ? [a]\n  : b\n'
file_refused 3:3: ' "a" is given twice' 'upstreams:\n  a:\n  a:\n'
file_refused 2:3: ' upstream "a/b": a name is 1 to 63 of A-Za-z0-9._-' \
	'upstreams:\n  a/b:\n'
file_refused 3:14: ' upstream "a": retries 65: must be 0 to 64' \
	'upstreams:\n  a:\n    retries: 65\n'
file_refused 3:5: ' upstream "a": unknown option "retry"' \
	'upstreams:\n  a:\n    retry: 65\n'
file_refused 4:5: ' upstream "a": "retries" is given twice' \
	'upstreams:\n  a:\n    retries: 1\n    retries: 1\n'
file_refused 3:13: ' upstream "a": retries "": not a number' \
	'upstreams:\n  a:\n    retries:\n'
file_refused 3:12: ' upstream "a": check true: must be off, tcp, send, http, redis, smtp, mysql or postgres' \
	'upstreams:\n  a:\n    check: true\n'
file_refused 3:14: ' upstream "a": "retries" must be a word or a list of words' \
	'upstreams:\n  a:\n    retries: {b: c}\n'
file_refused 3:14: ' upstream "a": "servers" must be a list' \
	'upstreams:\n  a:\n    servers: {b: c}\n'
file_refused 4:9: ' server: "10.0.0.1:80" must be a mapping' \
	'upstreams:\n  a:\n    servers:\n      - 10.0.0.1:80\n'
file_refused 4:9: ' server: "address" is missing' \
	'upstreams:\n  a:\n    servers:\n      - weight: 1\n'
file_refused 5:17: ' server "10.0.0.1:80": weight 257: must be 0 to 256' \
	'upstreams:\n  a:\n    servers:\n      - address: 10.0.0.1:80\n        weight: 257\n'
file_refused 5:18: ' server "10.0.0.1:80": upstream "a" already has it' \
	'upstreams:\n  a:\n    servers:\n      - address: 10.0.0.1:80\n      - address: "[::ffff:10.0.0.1]:80"\n'
file_refused 4:18: ' server "*:80": a server needs a specific address' \
	'upstreams:\n  a:\n    servers:\n      - address: "*:80"\n'
file_refused 2:3: ' listener "w": "listen" is missing' 'listeners:\n  w:\n'
file_refused 2:3: ' listener "w": option "upstream" is missing' \
	'listeners:\n  w:\n    listen: "*:80"\n'
file_refused 4:15: ' listener "w": upstream a: the file has no such upstream' \
	'listeners:\n  w:\n    listen: "*:80"\n    upstream: a\n'
file_refused 6:9: ' listener "w": address 10.0.0.1:0: port must be 1 to 65535' \
	'listeners:\n  w:\n    upstream: a\n    listen:\n      - "*:80"\n      - 10.0.0.1:0\n'
file_refused 4:21: ' listener "w": address *:80: is given twice' \
	'listeners:\n  w:\n    upstream: a\n    listen: ["*:80","*:80"]\n'
file_refused 3:13: ' listener "w": "listen" must not be empty' \
	'listeners:\n  w:\n    listen: []\n'
file_refused 3:14: ' listener "w": "*:80,*:81": more than one item' \
	'listeners:\n  w:\n    listen: ["*:80,*:81"]\n'
file_refused 4:37: ' listener "v": address *:80: already used by listener "w"' \
	'upstreams: {a: }\nlisteners:\n  w: {upstream: a, listen: "*:80"}\n  v: {upstream: a, listen: ["*:81", "*:80"]}\n'
# file_refused PLACE LINE ROUTES: those of a listener.
routes_refused() {
	file_refused "$1" "$2" \
		"upstreams: {a: }\\nlisteners:\\n  w:\\n    upstream: a\\n    listen: \"*:80\"\\n    routes: $3\\n"
}
routes_refused 6:13: ' listener "w": "routes" must be a list' '{sni: b}'
routes_refused 6:14: ' route: "b" must be a mapping' '[b]'
routes_refused 6:14: ' route "w": upstream NAME is missing, try "kproxy route help"' \
	'[{sni: b}]'
routes_refused 6:15: ' route "w": unexpected "host", must be sni, alpn, from, port or upstream' \
	'[{host: b, upstream: a}]'
routes_refused 6:20: ' route "w": sni b.: a server name is letters, digits, - and _ with dots between, perhaps after "*."' \
	'[{sni: b., upstream: a}]'
routes_refused 6:33: ' route "w": upstream c: the file has no such upstream' \
	'[{sni: b, upstream: c}]'
routes_refused 6:43: ' route "w": sni B: the listener already has a route for it' \
	'[{sni: b, upstream: a}, {sni: B, upstream: a}]'
refused 1 '/no/such: No such file or directory' config check /no/such
refused 1 '/dev/zero: larger than 16 MiB' config check /dev/zero
refused 1 'config: FILE is missing, try "kproxy config help"' config apply
refused 1 'config: unexpected "x"' config check "$dir/file" x
refused 1 'config: unexpected "x"' config flush x

printf 'version\nv' >"$dir/batch"
./kproxy -j -b "$dir/batch" >"$dir/out" 2>"$dir/err"
ok=0
[ "$(grep -c '^\[{"cli":' "$dir/out")" = 2 ] && ok=1
result $ok 'a batch prints one document a command'

./kproxy help >/dev/full 2>"$dir/err"
got=$?
ok=0
[ $got = 1 ] && grep -qx 'kproxy: standard output: No space left on device' \
	"$dir/err" && ok=1
result $ok 'output that cannot be written is an error'

if [ -d /sys/module/kproxy ]; then
	count=$((count + 1))
	echo "ok $count # SKIP the module is loaded"
else
	refused 2 'the kernel has no kproxy: load it with "modprobe kproxy" or "insmod kproxy.ko"' \
		-js l s
fi

echo "1..$count"
[ $failed = 0 ]
