/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CHOICE_PICK_H
#define _KPROXY_CHOICE_PICK_H

#include <linux/types.h>

struct kproxy_choice;
struct kproxy_server;
union kproxy_addr;

/* The session for which a server is chosen. */
struct kproxy_pick {
	/* for those ways that hash it */
	const union kproxy_addr *client;
	/* kproxy_choice_bit() of each server that has failed it */
	u64 tried;
	/* the last of them, or NULL */
	const struct kproxy_server *last;
};

struct kproxy_server *kproxy_choice_pick(struct kproxy_choice *c,
					 const struct kproxy_pick *pick);
void kproxy_choice_release(struct kproxy_server *server);
void kproxy_choice_restore(struct kproxy_choice *c, unsigned int priority);
u64 kproxy_choice_bit(const struct kproxy_server *server);

#endif /* _KPROXY_CHOICE_PICK_H */
