/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
#ifndef _UAPI_LINUX_KPROXY_LOG_H
#define _UAPI_LINUX_KPROXY_LOG_H

#include <linux/types.h>

/*
 * The log of finished sessions of a network namespace: one file that can be
 * mapped and read, never written. KPROXY_CMD_LOG_GET replies with a descriptor
 * of it.
 *
 * The file begins with struct kproxy_log_header. Ring N begins at
 * header_size + N * ring_size and has room for ring_records records of
 * record_size bytes each. A ring has memory, and may be read, once its bit in
 * ready is set: bit N % 64 of ready[N / 64]. Each CPU writes to a ring of its
 * own; ring 0 is shared by the CPUs that have none.
 *
 * Record NUMBER of a ring is in slot (NUMBER - 1) % ring_records. Numbers of a
 * ring count from 1 without a gap, and a record overwrites the one that is
 * ring_records older, whether anybody has read that or not. A record is whole if
 * its number is not 0 and the same before and after it was read, with barriers
 * in between.
 *
 * Records may grow at their end in later versions: read as much of a record as
 * record_size says and no more than your struct holds.
 */

#define KPROXY_LOG_MAGIC	0x474f4c4b /* "KLOG" on a little-endian machine */

#define KPROXY_LOG_NAME_SIZE	64

struct kproxy_log_header {
	__u32 magic;
	__u32 header_size;
	__u32 record_size;
	__u32 ring_records;
	__u64 ring_size;
	/* how many rings there can be */
	__u32 rings;
	/* 1: nothing is written any more, the module or the namespace is gone */
	__u32 ended;
	__u64 ready[];
};

struct kproxy_log_endpoint {
	/* IPv4 as an IPv4-mapped address */
	__u8 addr[16];
	/* interface index of a link-local address */
	__u32 scope;
	__u16 port;
	__u16 pad;
};

struct kproxy_log_record {
	/* of this ring, from 1 on; 0 while it is being written */
	__u64 number;
	__u64 id;
	/* when the client was accepted, in milliseconds since the epoch */
	__u64 start_ms;
	__u64 duration_us;
	/* until a server had answered, 0 when none did */
	__u64 connect_us;
	/* from the client, to the client: what the receiver has acknowledged */
	__u64 bytes_in;
	__u64 bytes_out;
	/* enum kproxy_reason */
	__u32 reason;
	__u32 pad;
	struct kproxy_log_endpoint client;
	struct kproxy_log_endpoint server;
	char listener[KPROXY_LOG_NAME_SIZE];
	char upstream[KPROXY_LOG_NAME_SIZE];
	/* for how long there were bytes that the client, the server did not take */
	__u64 stall_client_us;
	__u64 stall_server_us;
	/* sent to the server, to the client, and not known to have arrived */
	__u32 unacked_in;
	__u32 unacked_out;
};

#endif /* _UAPI_LINUX_KPROXY_LOG_H */
