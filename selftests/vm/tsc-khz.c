// SPDX-License-Identifier: GPL-2.0
/*
 * Print how fast this machine's time stamp counter is, in kHz. A guest that is
 * emulated sees the same counter.
 */

#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

/* The counter at a point of time: of many tries the one least disturbed. */
static unsigned long long counter_at(struct timespec *now)
{
	unsigned long long best = ULLONG_MAX, at = 0;

	for (int i = 0; i < 1000; i++) {
		struct timespec time;
		unsigned long long before = __rdtsc(), took;

		clock_gettime(CLOCK_MONOTONIC_RAW, &time);
		took = __rdtsc() - before;
		if (took < best) {
			best = took;
			at = before + took / 2;
			*now = time;
		}
	}
	return at;
}

int main(void)
{
	const struct timespec span = { .tv_nsec = 100000000 };
	struct timespec begin, end;
	unsigned long long first = counter_at(&begin), last;

	nanosleep(&span, NULL);
	last = counter_at(&end);
	printf("%.0f\n", (double)(last - first) * 1e6 /
	       ((double)(end.tv_sec - begin.tv_sec) * 1e9 +
		(double)(end.tv_nsec - begin.tv_nsec)));
	return 0;
}
