#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pkg-config finds the installed library, and programs build with it, shared and
# static; without the module they are told so.

cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0

# check WHAT COMMAND...
check() {
	count=$((count + 1))
	if "${@:2}" >"$dir/out" 2>&1; then
		echo "ok $count $1"
	else
		failed=$((failed + 1))
		echo "not ok $count $1"
		sed 's/^/# /' "$dir/out"
	fi
}

# build OUTPUT SOURCE OPTION...
build() {
	# shellcheck disable=SC2046 # words
	"${CC:-cc}" -Wall -Wextra -Werror -o "$1" "$2" \
		$(pkg-config --cflags kproxy) "${@:3}"
}

exports() {
	local names

	names=$(nm -D --defined-only "$lib/libkproxy.so.1" | awk '$2 == "T" { print $3 }')
	diff <(printf '%s\n' kproxy_splice{,_wait}@@LIBKPROXY_1.0 \
		kproxy_unsplice@@LIBKPROXY_1.0) <(sort <<<"$names")
}

refuses() {
	LD_LIBRARY_PATH=$lib "$dir/wrong"
}

check "make install" make -s -C lib install DESTDIR="$dir/root" PREFIX=/usr
lib=$dir/root/usr/lib
export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dir/root
cat >"$dir/wrong.c" <<-'EOF'
	#include <errno.h>
	#include <kproxy/splice.h>

	int main(void)
	{
		struct kproxy_splice_options options = { .size = 1 };
		struct kproxy_splice_result result = { .size = sizeof(result) };

		if (kproxy_splice(-1, 1, 0) != -1 || errno != EBADF)
			return 1;
		if (kproxy_splice(0, 1, &options) != -1 || errno != EINVAL)
			return 2;
		options.size = sizeof(options);
		options.flags = 2;
		if (kproxy_splice(0, 1, &options) != -1 || errno != EINVAL)
			return 3;
		if (kproxy_splice_wait(-1, &result) != -1 || errno != EBADF)
			return 4;
		return kproxy_unsplice(-1, &result) != -1 || errno != EBADF;
	}
EOF
check "shared" build "$dir/wrong" "$dir/wrong.c" -L"$lib" -lkproxy
check "wrong calls are refused" refuses
check "static" build "$dir/proxy" examples/connect-proxy.c "$lib/libkproxy.a"
check "the other example" build "$dir/socks" examples/socks5-proxy.c \
	-L"$lib" -lkproxy
check "the header in C++" "${CXX:-c++}" -fsyntax-only -Wall -Wextra -Werror \
	-I"$dir/root/usr/include" -x c++ lib/kproxy/splice.h
check "exactly its symbols are exported" exports
for name in kproxy_splice kproxy_splice_wait kproxy_unsplice; do
	check "$name(3)" test -r "$dir/root/usr/share/man/man3/$name.3"
done
check "make uninstall" make -s -C lib uninstall DESTDIR="$dir/root" PREFIX=/usr
check "nothing is left" test -z "$(find "$dir/root" ! -type d)"
echo "1..$count"
((failed == 0))
