#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's messages without those of KCSAN that are not about the module.
# TCP reads and writes much of a socket without a lock and without a mark, and
# will say so of itself whoever uses it. A race is the module's when one of the
# two accesses was compiled into it, that is when the first function of one of
# the two stacks is [kproxy]'s: code of headers that it has inlined counts, a
# function of the kernel's that it has called does not. How many of the latter
# were left out is said in a line of its own, for whoever wants to look at them.

function judge() {
	if (ours) {
		printf "%s", report
		return
	}
	others++
	if (report ~ /\[kproxy\]/)
		below++
}

/BUG: KCSAN: / {
	report = ours = ""
	inside = 1
}

!inside {
	print
	next
}

{
	report = report $0 "\n"
	if (top && /\[kproxy\]/)
		ours = 1
	top = / of [0-9]+ bytes by .* on cpu [0-9]+:/
}

/====================/ {
	judge()
	inside = 0
}

END {
	# Cut off in the midst of a report.
	if (inside)
		judge()
	if (others)
		printf "races of the kernel's own: %d, %d of them in what kproxy has called\n",
			others, below
}
