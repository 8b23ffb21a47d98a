// SPDX-License-Identifier: GPL-2.0
/* Work queues and the pool; main.c sets them up and takes them down. */
#include "shared.h"

struct workqueue_struct *kproxy_wq;
struct workqueue_struct *kproxy_splice_wq;
struct workqueue_struct *kproxy_bh_wq;
struct kproxy_pool kproxy_pool;
