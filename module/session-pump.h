/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SESSION_PUMP_H
#define _KPROXY_SESSION_PUMP_H

#include <linux/hrtimer.h>

#include "session.h"

struct work_struct;

void kproxy_session_kick(struct kproxy_session *s, enum kproxy_side from);
void kproxy_session_kick_both(struct kproxy_session *s);
void kproxy_session_pump(struct kproxy_session *s);
void kproxy_session_failed(struct kproxy_session *s, enum kproxy_side side);
bool kproxy_session_kick_flush(struct kproxy_session *s, enum kproxy_side side);
void kproxy_session_data_ready(struct kproxy_session *s,
			       enum kproxy_side from);
void kproxy_session_write_space(struct kproxy_session *s,
				enum kproxy_side side);
void kproxy_session_count_stall(struct kproxy_session *s,
				enum kproxy_side from);
void kproxy_session_end_stalls(struct kproxy_session *s);
enum hrtimer_restart kproxy_session_coalesce_timer(struct hrtimer *timer);
void kproxy_session_pump_work(struct work_struct *work);

#endif /* _KPROXY_SESSION_PUMP_H */
