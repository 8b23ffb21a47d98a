/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KPROXY_SPLICE_H
#define KPROXY_SPLICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* See kproxy_splice(3). */

/* The splice goes on when this process is gone. */
#define KPROXY_SPLICE_DETACH 1

/* Why a splice has ended; a is the client, b is the server. */
enum {
	/* both streams have ended, a's or b's first */
	KPROXY_SPLICE_CLIENT_FIN = 1,
	KPROXY_SPLICE_SERVER_FIN = 2,
	/* a or b was reset, and so is the other one now */
	KPROXY_SPLICE_CLIENT_RESET = 3,
	KPROXY_SPLICE_SERVER_RESET = 4,
	/* no byte for idle_ms */
	KPROXY_SPLICE_IDLE_TIMEOUT = 6,
	/* "kproxy session kill" */
	KPROXY_SPLICE_KILLED = 9,
	/* the module was unloaded */
	KPROXY_SPLICE_SHUTDOWN = 12,
	/* as many bytes as were asked for */
	KPROXY_SPLICE_LIMIT = 13,
	/* kproxy_unsplice(), the descriptor was closed, or a socket reused */
	KPROXY_SPLICE_UNSPLICED = 14,
};

struct kproxy_splice_options {
	size_t      size;           /* sizeof this */
	const char *label;          /* shown in lists, log and metrics; NULL: the program's name */
	uint64_t    bytes[2];       /* stop after so many bytes from a to b, from b to a; 0: until the end of the stream */
	uint32_t    idle_ms;        /* end after so long without a byte, 0: never */
	uint32_t    flags;          /* KPROXY_SPLICE_DETACH */
};

struct kproxy_splice_result {
	size_t      size;           /* sizeof this, set by the caller */
	uint64_t    bytes[2], spliced, copied;
	uint32_t    reason;         /* KPROXY_SPLICE_* above */
	uint32_t    eof;            /* bit 0: the stream from a has ended and was passed on; bit 1: from b */
};

/* A descriptor, or -1 and errno. */
int kproxy_splice(int a, int b, const struct kproxy_splice_options *options);

/* 0 when it has ended; -1 and EAGAIN when not, on a non-blocking descriptor. */
int kproxy_splice_wait(int splice, struct kproxy_splice_result *result);

/* End it now, keep the sockets. */
int kproxy_unsplice(int splice, struct kproxy_splice_result *result);

#ifdef __cplusplus
}
#endif

#endif /* KPROXY_SPLICE_H */
