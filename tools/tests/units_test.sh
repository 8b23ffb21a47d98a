#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The units that systemd starts are confined, as far as it judges that.

cd "$(dirname "$0")/../packaging/systemd" || exit 1

services=(kproxy.service kproxy-exporter.service kproxy-log.service
	kproxy-metrics.service kproxy-resolve.service)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0

for service in "${services[@]}"; do
	count=$((count + 1))
	sed "s|@SBINDIR@|/usr/sbin|g; s|@LIBDIR@|/usr/lib/kproxy|g" "$service" \
		>"$dir/$service"
	if ! systemd-analyze security --help 2>/dev/null | grep -q -e --offline; then
		echo "ok $count $service # SKIP systemd-analyze cannot judge files"
	elif systemd-analyze security --offline=yes --threshold=30 \
		"$dir/$service" >"$dir/out" 2>&1; then
		echo "ok $count $service: $(tail -n 1 "$dir/out")"
	else
		failed=$((failed + 1))
		echo "not ok $count $service"
		grep -e ✗ -e exposure "$dir/out" | sed 's/^/# /'
	fi
done
echo "1..$count"
((failed == 0))
