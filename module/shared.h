/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SHARED_H
#define _KPROXY_SHARED_H

#include "pool.h"

struct workqueue_struct;

/* Process context: accept, connect, close. */
extern struct workqueue_struct *kproxy_wq;
/*
 * Process context: looks after detached splices. What ends a splice is on a queue of
 * its user's, since a program can keep its socket locked for as long as it likes.
 */
extern struct workqueue_struct *kproxy_splice_wq;
/* Softirq context: the pumps. */
extern struct workqueue_struct *kproxy_bh_wq;
/* Sessions, and pages for bytes that must be copied. */
extern struct kproxy_pool kproxy_pool;

#endif /* _KPROXY_SHARED_H */
