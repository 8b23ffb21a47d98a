// SPDX-License-Identifier: GPL-2.0
/*
 * What things cost that every proxy's cost is made of, on this clock: a system
 * call, and a copy of 64 KiB out of the kernel (page cache) and within user
 * space. Prints one JSON object.
 *
 * usage: calibrate FILE        FILE is made, on a tmpfs
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define SIZE 65536
#define TIMES 2000

static char from[SIZE], to[SIZE];
static int fd;

static void null_call(void)
{
	syscall(SYS_getppid);
}

static void kernel_copy(void)
{
	if (pread(fd, to, SIZE, 0) != SIZE)
		die("read");
}

static void user_copy(void)
{
	memcpy(to, from, SIZE);
	__asm__ __volatile__("" : : "r" (to) : "memory");
}

/* Nanoseconds of one call, after some that do not count. */
static double cost(void (*call)(void))
{
	struct timespec begin, end;
	int i;

	for (i = -100; i < TIMES; i++) {
		if (!i)
			clock_gettime(CLOCK_MONOTONIC, &begin);
		call();
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((end.tv_sec - begin.tv_sec) * 1e9 + end.tv_nsec -
		begin.tv_nsec) / TIMES;
}

int main(int argc, char **argv)
{
	fd = open(argc == 2 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, from, SIZE) != SIZE)
		die("usage: calibrate FILE");
	printf("{\"syscall_ns\": %.1f, ", cost(null_call));
	printf("\"kernel_copy_64k_ns\": %.1f, ", cost(kernel_copy));
	printf("\"user_copy_64k_ns\": %.1f}\n", cost(user_copy));
	return 0;
}
