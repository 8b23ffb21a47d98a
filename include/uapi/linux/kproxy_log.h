/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
#ifndef _UAPI_LINUX_KPROXY_LOG_H
#define _UAPI_LINUX_KPROXY_LOG_H

#include <linux/types.h>

/*
 * The log of finished sessions. Each CPU writes to a ring of records, which is
 * the file KPROXY_LOG_RING followed by its number, and is read by mapping it.
 * All files of a network namespace are in a folder of debugfs, "kproxy/N" with
 * the namespace's inode number; KPROXY_LOG_SIZE holds the size of each ring in
 * bytes.
 *
 * Nobody waits for a reader: the oldest record is overwritten. A record is
 * whole if its number is not 0 and the same before and after it was read, with
 * barriers in between. Numbers of a CPU count from 1, so that what is missing
 * between two was overwritten.
 */

#define KPROXY_LOG_FOLDER	"kproxy"
#define KPROXY_LOG_RING		"log"
#define KPROXY_LOG_SIZE		"size"

#define KPROXY_LOG_NAME_SIZE	64

struct kproxy_log_endpoint {
	/* IPv4 as an IPv4-mapped address */
	__u8 addr[16];
	/* interface index of a link-local address */
	__u32 scope;
	__u16 port;
	__u16 pad;
};

struct kproxy_log_record {
	/* of this CPU, from 1 on; 0 while it is being written */
	__u64 number;
	__u64 id;
	/* when the client was accepted, in milliseconds since the epoch */
	__u64 start_ms;
	__u64 duration_us;
	/* until a server had answered, 0 when none did */
	__u64 connect_us;
	/* from the client, to the client */
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
};

#endif /* _UAPI_LINUX_KPROXY_LOG_H */
