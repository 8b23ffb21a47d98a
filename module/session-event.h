/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_EVENT_H
#define _KPROXY_SESSION_EVENT_H

#include <linux/types.h>

#include "session.h"

void kproxy_session_eof(struct kproxy_session *s, enum kproxy_side from);
void kproxy_session_schedule_life(struct kproxy_session *s);
void kproxy_session_arm(struct kproxy_session *s);
void kproxy_session_arm_by(struct kproxy_session *s, unsigned long when);
unsigned long kproxy_session_progress(const struct kproxy_session *s);
bool kproxy_session_event(struct kproxy_session *s, enum kproxy_event event,
			  enum kproxy_reason reason);
bool kproxy_session_event_in(struct kproxy_session *s, enum kproxy_state state,
			     enum kproxy_event event,
			     enum kproxy_reason reason);
void kproxy_session_socket_changed(struct kproxy_session *s,
				   enum kproxy_side side);
bool kproxy_session_deadline(const struct kproxy_session *s,
			     enum kproxy_state state, unsigned long *deadline);
u64 kproxy_session_connect_us(const struct kproxy_session *s);
void kproxy_session_put(struct kproxy_session *s);

#endif /* _KPROXY_SESSION_EVENT_H */
