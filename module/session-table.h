/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_TABLE_H
#define _KPROXY_SESSION_TABLE_H

#include <linux/types.h>

#include "walk.h"

struct kproxy_listener;
struct kproxy_net;
struct kproxy_server;
struct kproxy_session;
struct kproxy_upstream;
union kproxy_addr;

/* Selects sessions; every field that is set must match. */
struct kproxy_session_filter {
	bool by_id;
	u64 id;
	const char *listener;
	const char *upstream;
	const union kproxy_addr *server;
	const union kproxy_addr *client;
	unsigned int client_bits;
};

int kproxy_session_table_init(struct kproxy_net *kn);
void kproxy_session_table_destroy(struct kproxy_net *kn);
u64 kproxy_session_new_id(struct kproxy_net *kn);
int kproxy_session_table_insert(struct kproxy_session *s);
void kproxy_session_table_remove(struct kproxy_session *s);
bool kproxy_session_match(const struct kproxy_session *s,
			  const struct kproxy_session_filter *filter);
void kproxy_session_walk_init(struct kproxy_session_walk *walk,
			      struct kproxy_net *kn);
void kproxy_session_walk_exit(struct kproxy_session_walk *walk);
void kproxy_session_walk_begin(struct kproxy_session_walk *walk)
	__acquires(RCU);
void kproxy_session_walk_end(struct kproxy_session_walk *walk)
	__releases(RCU);
struct kproxy_session *kproxy_session_walk_next(struct kproxy_session_walk *walk);
void kproxy_session_walk_again(struct kproxy_session_walk *walk);
struct kproxy_session *kproxy_session_lookup(struct kproxy_net *kn, u64 id);
unsigned int kproxy_session_kill(struct kproxy_net *kn,
				 const struct kproxy_session_filter *filter);
void kproxy_session_kill_listener(const struct kproxy_listener *l);
unsigned int kproxy_session_kill_some(struct kproxy_session_walk *walk,
				      const struct kproxy_listener *l,
				      unsigned int most);
void kproxy_session_kill_down(const struct kproxy_upstream *up);
void kproxy_session_count_stalls(struct kproxy_net *kn);
void kproxy_session_kill_server(const struct kproxy_server *server);
void kproxy_session_kill_all(struct kproxy_net *kn);

#endif /* _KPROXY_SESSION_TABLE_H */
