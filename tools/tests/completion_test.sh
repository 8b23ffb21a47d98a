#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the completions of bash and zsh offer, by the files alone: the shells'
# own parts are stood in for, and so is the kernel, by a command that knows
# what there is. Help is the real one.

cd "$(dirname "$0")/.." || exit 1

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0

mkdir "$dir/bin"
cat >"$dir/bin/kproxy" <<END
#!/bin/sh
[ "\$1" != -n ] || { in=".\$2"; shift 2; }
case "\$1 \$2 \$3" in
"listener show ") printf 'NAME\nweb%s\nmail\n' "\$in" ;;
"upstream show ") printf 'NAME\napp\n' ;;
"server show app") printf 'UPSTREAM ADDRESS\napp 10.0.0.1:80\n' ;;
"route show web") printf 'LISTENER SNI\nweb a.example\nweb *.b.example\n' ;;
*" show "*) exit 2 ;;
*) exec ./kproxy "\$@" ;;
esac
END
chmod +x "$dir/bin/kproxy"
export PATH=$dir/bin:$PATH

cat >"$dir/bash" <<'END'
_init_completion() {
	words=("${typed[@]}") cword=$((${#typed[@]} - 1))
	cur=${words[cword]} prev=${words[cword - 1]}
}
__ltrim_colon_completions() { :; }
_filedir() { COMPREPLY=(FILES); }
. completion/kproxy
typed=("$@")
_kproxy
printf '%s\n' "${COMPREPLY[@]}"
END

cat >"$dir/zsh" <<'END'
compadd() {
	[[ $1 != -a ]] || set -- ${(P)2}
	[[ $1 != -- ]] || shift
	print -l -- $@
}
_describe() { print -l -- ${${(P)4}%%:*} }
_files() { print FILES }
words=("$@") CURRENT=$#
. completion/_kproxy
END

# The words that @shell offers for the last one of the line, sorted.
offered() { # SHELL WORD...
	local shell=$1

	shift
	if [[ $shell = bash ]]; then
		# As bash-completion has it.
		bash -O extglob "$dir/bash" "$@"
	else
		zsh -f "$dir/zsh" "$@"
	fi 2>&1 | sort -u | tr "\n" " "
}

offers() { # SHELL EXPECTED WORD...
	local shell=$1 want=$2 got

	shift 2
	count=$((count + 1))
	if [[ $shell = zsh ]] && ! command -v zsh >/dev/null; then
		echo "ok $count $shell: $* # SKIP there is no zsh"
		return
	fi
	got=$(offered "$shell" "$@")
	if [[ " $got " = *" $want "* ]]; then
		echo "ok $count $shell: $*"
	else
		failed=$((failed + 1))
		echo "not ok $count $shell: $*"
		echo "# offers $got and not $want"
	fi
}

for shell in bash zsh; do
	offers $shell 'listener log metrics monitor pool resolve route run server' kproxy ''
	offers $shell 'add del drain help set show' kproxy listener ''
	offers $shell 'mail web' kproxy listener show ''
	offers $shell 'mail web.blue' kproxy -n blue listener show ''
	offers $shell app kproxy listener add x '*:80' upstream ''
	offers $shell kill kproxy listener del web ''
	offers $shell 'deadline rate' kproxy listener drain web ''
	offers $shell 'idle-timeout keepalive' kproxy listener set web ''
	offers $shell 'off on' kproxy listener set web accept-proxy ''
	offers $shell 'leastconn maglev random roundrobin' \
		kproxy upstream add x balance ''
	offers $shell 10.0.0.1:80 kproxy server set app ''
	offers $shell 'down drain up' kproxy server set app 10.0.0.1:80 state ''
	offers $shell 'mail web' kproxy route add ''
	offers $shell sni kproxy route del web ''
	offers $shell '*.b.example a.example' kproxy route del web sni ''
	offers $shell upstream kproxy route add web sni a.example ''
	offers $shell app kproxy route add web sni a.example upstream ''
	offers $shell 'client listener server upstream' kproxy session kill ''
	offers $shell 'mail web' kproxy session show listener ''
	offers $shell reset kproxy stats show ''
	offers $shell -f kproxy log ''
	offers $shell format kproxy metrics ''
	offers $shell 'openmetrics prometheus' kproxy metrics format ''
	offers $shell 'clients count interval servers sessions sort' kproxy top ''
	offers $shell '60s,10s,6 off' kproxy listener set web keepalive ''
	offers $shell 'client default' kproxy upstream set app source ''
	offers $shell 10m kproxy listener set web idle-timeout ''
	offers $shell FILES kproxy -b ''
done

echo "1..$count"
[ $failed = 0 ]
