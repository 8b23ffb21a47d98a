/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CLOCK_H
#define KPROXY_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The monotonic clock, in microseconds. */
static inline uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000;
}

#endif
