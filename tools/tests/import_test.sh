#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Conversion of configurations of other programs, and back. tests/import has
# FORMAT-NAME.cfg, what is printed of it (.yaml), what is said about it (.notes),
# and the configuration of HAProxy that is made of that (.haproxy). UPDATE=1
# rewrites them.

cd "$(dirname "$0")/.." || exit 1

# shellcheck source=tools/tests/result.sh
. tests/result.sh

same() { # GOT WANT NAME
	[ -z "$UPDATE" ] || cp "$1" "$2"
	ok=0
	diff -u "$2" "$1" >"$dir/err" 2>&1 && ok=1
	result $ok "$3"
}

# Options and networks are a set, whose order may be another.
words() {
	tr -s ' ,[]' '\n' | sort
}

succeeds() { # NAME COMMAND...
	name=$1
	shift
	ok=0
	"$@" >"$dir/err" 2>&1 && ok=1
	result $ok "$name"
}

for file in tests/import/*.cfg; do
	base=${file%.cfg}
	name=${base##*/}
	./kproxy config import "${name%%-*}" "$file" >"$dir/yaml" 2>"$dir/notes"
	result $((! $?)) "$name is carried over"
	same "$dir/yaml" "$base.yaml" "$name: configuration"
	same "$dir/notes" "$base.notes" "$name: what is not carried over"
	succeeds "$name: it is a configuration" \
		./kproxy config check "$dir/yaml"
	./kproxy config import "${name%%-*}" - <"$file" 2>/dev/null |
		cmp - "$dir/yaml" >"$dir/err" 2>&1
	result $((! $?)) "$name: the same from standard input"
	./kproxy -j config import "${name%%-*}" "$file" 2>/dev/null >"$dir/json"
	succeeds "$name: and as JSON" ./kproxy config check "$dir/json"
	./kproxy config export haproxy "$dir/yaml" >"$dir/haproxy" 2>/dev/null
	same "$dir/haproxy" "$base.haproxy" "$name: exported"
	# There and back: HAProxy has all that came from it.
	case $name in haproxy-*)
		./kproxy config import haproxy "$dir/haproxy" >"$dir/back" \
			2>"$dir/err"
		result $((! $?)) "$name: imported again"
		words <"$dir/back" >"$dir/words"
		words <"$base.yaml" | diff - "$dir/words" >"$dir/err"
		result $((! $?)) "$name: as before" ;;
	esac
done

refused() { # LINE ARGUMENT...
	line=$1
	shift
	./kproxy "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	ok=0
	[ $got = 1 ] && [ ! -s "$dir/out" ] &&
		[ "$(tail -n 1 "$dir/err")" = "kproxy: $line" ] && ok=1
	result $ok "$line"
}

refused '-: nothing could be carried over' config import haproxy -
refused '-: nothing could be carried over' config import nginx -
refused '-: nothing could be carried over' config import ipvsadm -
refused '/no/such: No such file or directory' config import nginx /no/such
refused '/dev/zero: larger than 16 MiB' config import haproxy /dev/zero
refused 'config: unknown format "envoy", must be haproxy, nginx or ipvsadm' \
	config import envoy x
refused 'config: FILE is missing, try "kproxy config help"' \
	config import haproxy
refused 'config: unexpected "y"' config import haproxy x y
refused 'config: unknown format "nginx", must be haproxy' config export nginx
printf 'listen a\n\0' >"$dir/zero"
refused "$dir/zero: not text" config import haproxy "$dir/zero"

# Large files take no time.
awk 'BEGIN { print "listen a\n bind :1\n acl x src 10.0.0.1"
	for (i = 0; i < 8000; i++) {
		printf " server s%d 10.%d.%d.%d:80\n", i, i / 65536, i / 256 % 256, i % 256
		printf " tcp-request connection reject if { src 10.%d.%d.%d }\n", i / 65536, i / 256 % 256, i % 256
		printf " use_backend a if { req.ssl_sni n%d.example.com }\n", i
	} }' >"$dir/large"
timeout 60 ./kproxy config import haproxy "$dir/large" >"$dir/yaml" 2>"$dir/notes"
result $((! $?)) "eight thousand servers, rules and names"
succeeds "what is made of them is a configuration" \
	./kproxy config check "$dir/yaml"

echo "1..$count"
[ $failed = 0 ]
