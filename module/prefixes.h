/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_PREFIXES_H
#define _KPROXY_PREFIXES_H

#include <linux/in6.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

union kproxy_addr;

/* A network, and whether its clients are admitted. */
struct kproxy_prefix {
	/* mapped if it is IPv4; the bits after @bits are 0 */
	struct in6_addr addr;
	u8 bits;
	bool allow;
};

/* A range of addresses, up to the start of the next one. */
struct kproxy_prefix_range {
	struct in6_addr start;
	bool allow;
};

/* An immutable list of networks; readers under RCU. */
struct kproxy_prefixes {
	struct rcu_head rcu;
	struct kproxy_prefix_range *ranges;
	unsigned int nr_ranges;
	/* as configured */
	unsigned int n;
	struct kproxy_prefix list[] __counted_by(n);
};

void kproxy_prefix_set(struct kproxy_prefix *prefix,
		       const struct in6_addr *addr, u8 bits, bool allow);
struct kproxy_prefixes *kproxy_prefixes_new(const struct kproxy_prefix *list,
					    unsigned int n,
					    struct kproxy_prefix *twice);
void kproxy_prefixes_free(struct kproxy_prefixes *prefixes);
bool kproxy_prefixes_allow(const struct kproxy_prefixes *prefixes,
			   const union kproxy_addr *addr);

#endif /* _KPROXY_PREFIXES_H */
