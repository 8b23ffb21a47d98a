/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
#ifndef _UAPI_LINUX_KPROXY_LOG_H
#define _UAPI_LINUX_KPROXY_LOG_H

#include <linux/types.h>

/*
 * The log of finished sessions and refused clients of a network namespace: one file that can be
 * mapped and read, but not written. KPROXY_CMD_LOG_GET replies with a
 * descriptor of it.
 *
 * The file begins with struct kproxy_log_header. Ring N begins at header_size +
 * N * ring_size and has room for ring_records records of record_size bytes
 * each. A ring has memory, and may be read, once its bit in ready is set:
 * bit N % 64 of ready[N / 64]. Each CPU writes to its own ring; CPUs without
 * one share ring 0.
 *
 * Record NUMBER of a ring is in slot (NUMBER - 1) % ring_records. A ring's
 * numbers count from 1 without gaps. A record overwrites the one that is
 * ring_records older, whether or not anybody has read that. A record is
 * consistent if its number is not 0 and did not change while it was read, with
 * barriers in between.
 *
 * Later versions may add fields at the end of records: read as much of a record
 * as record_size says and no more than your struct holds.
 */

#define KPROXY_LOG_MAGIC	0x474f4c4b /* "KLOG" on a little-endian machine */

#define KPROXY_LOG_NAME_SIZE	64
#define KPROXY_LOG_SNI_SIZE	256

#define KPROXY_LOG_SPLICE	1

struct kproxy_log_header {
	__u32 magic;
	__u32 header_size;
	__u32 record_size;
	__u32 ring_records;
	__u64 ring_size;
	/* maximum number of rings */
	__u32 rings;
	/* 1: the module or the namespace is gone, no more records will come */
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
	/*
	 * number within the ring, from 1; 0 while the record is being written
	 */
	__u64 number;
	__u64 id;
	/* when the client was accepted, in milliseconds since the epoch */
	__u64 start_ms;
	__u64 duration_us;
	/* time until a server answered, 0 if none did */
	__u64 connect_us;
	/* from the client, to the client: acknowledged by the receiver */
	__u64 bytes_in;
	__u64 bytes_out;
	/* enum kproxy_reason */
	__u32 reason;
	/* KPROXY_LOG_SPLICE: a splice, its listener is "-", upstream is its label */
	__u32 flags;
	/*
	 * how many before it, of its listener and on its CPU, have no record:
	 * refused clients if it is one, otherwise ended sessions
	 */
	__u32 omitted;
	__u32 pad;
	struct kproxy_log_endpoint client;
	struct kproxy_log_endpoint server;
	char listener[KPROXY_LOG_NAME_SIZE];
	char upstream[KPROXY_LOG_NAME_SIZE];
	/* how long the client, the server had no room for bytes sent to it */
	__u64 stall_client_us;
	__u64 stall_server_us;
	/* bytes sent to the server, to the client, but not acknowledged */
	__u32 unacked_in;
	__u32 unacked_out;
	/*
	 * server name of the client's ClientHello, if routes have asked for it; what
	 * is behind its zero means nothing
	 */
	char sni[KPROXY_LOG_SNI_SIZE];
	/* the server's name, empty for none */
	char server_name[KPROXY_LOG_NAME_SIZE];
};

#endif /* _UAPI_LINUX_KPROXY_LOG_H */
