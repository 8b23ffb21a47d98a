/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
#ifndef _UAPI_LINUX_KPROXY_SPLICE_H
#define _UAPI_LINUX_KPROXY_SPLICE_H

#include <linux/types.h>

/*
 * KPROXY_CMD_SPLICE replies with a descriptor. It is one end of a pair of
 * AF_UNIX sockets of type SOCK_SEQPACKET, the other end of which the kernel
 * has. It needs nothing of the module, so that the module can be unloaded.
 *
 * - When the splice has ended and both sockets are as they were, the descriptor
 *   becomes readable: it gets one struct kproxy_splice_report, and then the end
 *   of file. MSG_PEEK leaves the report there for the next reader. An end of
 *   file without a report means that there was no memory for it.
 * - shutdown(SHUT_WR) ends the splice.
 * - When the last copy of the descriptor is closed, the splice ends, too, unless
 *   it has KPROXY_SPLICE_FLAG_DETACH.
 */
struct kproxy_splice_report {
	/* bytes that the kernel filled in; later versions may add fields */
	__u32 size;
	/* enum kproxy_reason; the client is a, the server is b */
	__u32 reason;
	/* passed on from a to b, from b to a */
	__u64 bytes[2];
	/* of both directions: by page reference, by copy */
	__u64 spliced;
	__u64 copied;
	/* bit 0: the stream from a has ended and was passed on; bit 1: from b */
	__u32 eof;
	__u32 pad;
};

#endif /* _UAPI_LINUX_KPROXY_SPLICE_H */
