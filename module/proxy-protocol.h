/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PROXY_PROTOCOL_H
#define _KPROXY_PROXY_PROTOCOL_H

#include <linux/types.h>

#include "addr.h"

/* Longest header that is built, and its terminating zero. */
#define KPROXY_PROXY_SIZE 108

/* First bytes of a header that contain everything needed from it. */
#define KPROXY_PROXY_LOOK 107

/* A parsed header. */
struct kproxy_proxy_header {
	/* its length in bytes; the last ones may not have come yet */
	unsigned int len;
	/* it has addresses; otherwise those of the connection count */
	bool named;
	/* the client's address, and the one it connected to */
	union kproxy_addr source;
	union kproxy_addr destination;
};

int kproxy_proxy_parse(const u8 *data, unsigned int len,
		       struct kproxy_proxy_header *header);
unsigned int kproxy_proxy_build_v1(u8 *data, const union kproxy_addr *source,
				   const union kproxy_addr *destination);
unsigned int kproxy_proxy_build_v2(u8 *data, const union kproxy_addr *source,
				   const union kproxy_addr *destination);

#endif /* _KPROXY_PROXY_PROTOCOL_H */
