/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PROXY_PROTOCOL_H
#define _KPROXY_PROXY_PROTOCOL_H

#include <linux/types.h>

#include "addr.h"

/* The longest header that is made, and one more byte for its end as a string. */
#define KPROXY_PROXY_SIZE 108

/* Bytes at the beginning of a header that say all that is of interest in it. */
#define KPROXY_PROXY_LOOK 107

/* What a header says. */
struct kproxy_proxy_header {
	/* bytes of it, of which the last may not have come yet */
	unsigned int len;
	/* whether it names addresses; or those of the connection count */
	bool named;
	/* where the client is, and where it connected to */
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
