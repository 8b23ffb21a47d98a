/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BENCH_SOCKMAP_H
#define BENCH_SOCKMAP_H

#include <linux/types.h>

#define SOCKMAP_ENTRIES 262144

/* Of a socket; in the byte orders that struct __sk_buff has them in. */
struct sockmap_key {
	__u32 remote_ip;
	__u32 local_ip;
	__u32 remote_port;
	__u32 local_port;
};

#endif
