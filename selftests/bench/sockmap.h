/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BENCH_SOCKMAP_H
#define BENCH_SOCKMAP_H

#include <linux/types.h>

#define SOCKMAP_ENTRIES 262144

/*
 * Of a socket, as struct __sk_buff has them: addresses and the remote port in
 * network order, that port as if it had 32 bits, the local one in host order.
 */
struct sockmap_key {
	__u32 remote_ip;
	__u32 local_ip;
	__u32 remote_port;
	__u32 local_port;
};

#endif
