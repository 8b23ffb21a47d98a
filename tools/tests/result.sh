# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Results of a test, and a folder of its own. A result that is not ok shows
# $dir/err.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0

result() { # OK NAME
	count=$((count + 1))
	if [ "$1" = 1 ]; then
		echo "ok $count $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count $2"
	sed 's/^/# /' "$dir/err"
}
